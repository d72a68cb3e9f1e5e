import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  type EgressFigures,
  type EgressLayer,
  type FigureName,
  LAYER_KINDS,
  OPTIONAL_FIGURES,
  mergeLayers,
} from '../../src/egress/profile'
import { BASE_FIGURES, layer } from '../unit/egress/fixtures'

const FIGURES = Object.keys(BASE_FIGURES) as FigureName[]

/** A layer of each kind at most, that says some figures and takes others away. Values tell which layer they are of. */
const anyLayers = fc
  .uniqueArray(fc.constantFrom(...LAYER_KINDS), { minLength: 1 })
  .chain((kinds) => fc.tuple(...kinds.map((kind) => anyLayer(kind))))

function anyLayer(kind: (typeof LAYER_KINDS)[number]): fc.Arbitrary<EgressLayer> {
  return fc.tuple(fc.subarray(FIGURES), fc.subarray([...OPTIONAL_FIGURES])).map(([said, taken]) => {
    const figures = Object.fromEntries(said.map((figure) => [figure, `${kind} ${figure}`])) as Partial<EgressFigures>
    const unset = taken.filter((figure) => !said.includes(figure))
    return layer(kind, `the ${kind}`, figures, unset)
  })
}

/** What a figure must be: the last layer that has to do with it decides. */
function expected(layers: readonly EgressLayer[], figure: FigureName): unknown {
  const last = LAYER_KINDS.toReversed()
    .map((kind) => layers.find((one) => one.kind === kind))
    .find((one) => one && (figure in one.figures || one.unset.some((name) => name === figure)))
  return last?.figures[figure]
}

describe('merging layers of egress', () => {
  it('gives each figure as the last layer says that names it', () => {
    fc.assert(
      fc.property(anyLayers, (layers) => {
        const merged = mergeLayers(layers)
        for (const figure of FIGURES) assert.equal(merged.get(figure)?.value, expected(layers, figure), figure)
      }),
    )
  })

  it('does not depend on the order in which layers of different kinds come', () => {
    fc.assert(
      fc.property(anyLayers, fc.infiniteStream(fc.nat()), (layers, keys) => {
        const keyed = layers.map((one) => [keys.next().value as number, one] as const)
        const shuffled = keyed.sort(([a], [b]) => a - b).map(([, one]) => one)
        const sorted = (list: readonly EgressLayer[]) => [...mergeLayers(list)].sort(([a], [b]) => (a < b ? -1 : 1))
        assert.deepEqual(sorted(shuffled), sorted(layers))
      }),
    )
  })

  it('names a layer for each figure that has the figure, in its own words', () => {
    fc.assert(
      fc.property(anyLayers, (layers) => {
        for (const { figure, value, kind, name, origin } of mergeLayers(layers).values()) {
          const said = layers.find((one) => one.kind === kind)!
          assert.equal(name, said.name)
          assert.deepEqual(origin, said.origins.get(figure))
          if (value === undefined) assert.ok(said.unset.some((one) => one === figure))
          else assert.equal(said.figures[figure], value)
        }
      }),
    )
  })
})
