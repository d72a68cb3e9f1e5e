import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type PoolRules, type Source, chooseSource } from '../../src/egress/sources'

const NAMES = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/), { minLength: 2, maxLength: 8 })
const POOL = NAMES.chain((names) =>
  fc.tuple(fc.constant(names), fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 8, maxLength: 8 })),
)
const KEY = fc.string({ maxLength: 60 })

type Weights = readonly (readonly [name: string, weight: number])[]

function choose(weights: Weights, stickyKey: string, resting: (name: string) => boolean = () => false): string {
  const members = weights.map(([name, weight]) => {
    const source: Source = { name, bind: undefined, bind6: undefined, helo: undefined }
    return { source, weight }
  })
  const none = new Map<never, never>()
  const pools: PoolRules = { ofAccount: none, ofTenant: none, ofClass: none, standard: { name: 'main', members } }
  const nobody = { account: undefined, tenant: undefined, mailClass: 'system' } as const
  return chooseSource({ pools }, { ...nobody, stickyKey, resting: ({ name }) => resting(name) }).name
}

function weightsOf([names, weights]: readonly [readonly string[], readonly number[]]): Weights {
  return names.map((name, at) => [name, weights[at]!])
}

describe('sticky sources', () => {
  it('are the same for a message each time, in whatever order the file names them', () => {
    const check = (pool: [string[], number[]], key: string) => {
      const weights = weightsOf(pool)
      assert.equal(choose(weights, key), choose([...weights].reverse(), key))
    }
    fc.assert(fc.property(POOL, KEY, check))
  })

  it('move none but the messages of those that rest', () => {
    const check = (pool: [string[], number[]], key: string, asleep: readonly boolean[]) => {
      const weights = weightsOf(pool)
      const resting = (name: string) => asleep[weights.findIndex(([other]) => other === name)]!
      const own = choose(weights, key)
      const now = choose(weights, key, resting)
      if (!resting(own) || weights.every(([name]) => resting(name))) assert.equal(now, own)
      else assert.ok(!resting(now))
    }
    fc.assert(fc.property(POOL, KEY, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), check))
  })

  it('move messages to a new one only, and from one that goes only', () => {
    const check = (pool: [string[], number[]], key: string) => {
      const [added, ...rest] = weightsOf(pool)
      const before = choose(rest, key)
      const after = choose([added!, ...rest], key)
      assert.ok(after === before || after === added![0])
    }
    fc.assert(fc.property(POOL, KEY, check))
  })

  it('have more messages and none fewer when their weight is raised', () => {
    const check = (pool: [string[], number[]], key: string, more: number) => {
      const [[name, weight], ...rest] = weightsOf(pool) as [[string, number], ...[string, number][]]
      if (choose([[name, weight], ...rest], key) !== name) return
      assert.equal(choose([[name, weight + more], ...rest], key), name)
    }
    fc.assert(fc.property(POOL, KEY, fc.integer({ min: 0, max: 1000 }), check))
  })

  it('have as much as their weight says', () => {
    const count = 20_000
    const check = (pool: [string[], number[]], salt: string) => {
      // No share so small that its draws are not spread as the normal distribution is.
      const weights = weightsOf(pool).map(([name, weight]) => [name, 1 + (weight % 20)] as const)
      const sum = weights.reduce((total, [, weight]) => total + weight, 0)
      const taken = new Map<string, number>()
      for (let at = 0; at < count; at++) {
        const name = choose(weights, `${salt}${at}`)
        taken.set(name, (taken.get(name) ?? 0) + 1)
      }
      for (const [name, weight] of weights) {
        const share = weight / sum
        // Six standard deviations: passed by once in some million draws.
        const slack = 6 * Math.sqrt((share * (1 - share)) / count) + 1 / count
        assert.ok(Math.abs((taken.get(name) ?? 0) / count - share) <= slack, `${name}: ${taken.get(name)} of ${count}`)
      }
    }
    fc.assert(fc.property(POOL, KEY, check), { numRuns: 10 })
  })
})
