import assert from 'node:assert/strict'
import { figuresOf, partsOf } from '../../../src/egress/named-path'
import { ProviderIndex, pathName } from '../../../src/egress/providers'
import type { EgressRules } from '../../../src/egress/rules'
import { BASE, layer } from './fixtures'

const RULES: EgressRules = {
  base: BASE,
  providers: new Map([
    [
      'google',
      {
        name: 'google',
        match: { mxSuffix: [], mxHost: [], domain: [] },
        layer: layer('provider', 'google', { connections: 20 }),
      },
    ],
  ]),
  index: new ProviderIndex([]),
  sites: new Map([['mx1.a.test+mx2.a.test', layer('site', 'mx1.a.test+mx2.a.test', { connections: 3 })]]),
  domains: new Map([['b.test', layer('domain', 'b.test', { connections: 4 })]]),
  sources: new Map([['Pool 1', layer('source', 'Pool 1', { connections: 5 })]]),
}

describe('a path by its name', () => {
  it('is made of source and destination, escaped or not', () => {
    assert.deepEqual(partsOf('egress|default|google'), { source: 'default', destination: 'google' })
    assert.deepEqual(partsOf(pathName('Pool 1', '@b.test')), { source: 'Pool 1', destination: '@b.test' })
    for (const none of ['egress', 'egress|default', 'egress||x', 'sender|a|b', 'egress|a|b|c', 'egress|#abc']) {
      assert.equal(partsOf(none), undefined, none)
    }
    assert.deepEqual(partsOf('egress|%|x'), { source: '%', destination: 'x' })
  })

  it('has the figures of all layers that its name tells of', () => {
    const connections = (path: string) => figuresOf(RULES, path).find(({ figure }) => figure === 'connections')!
    for (const [path, value, kind] of [
      ['egress|default|google', 20, 'provider'],
      ['egress|default|mx1.a.test+mx2.a.test', 3, 'site'],
      ['egress|default|@b.test', 4, 'domain'],
      [pathName('Pool 1', 'google'), 5, 'source'],
      ['egress|default|mx.other.test', 10, 'default'],
      ['egress|#digest', 10, 'default'],
    ] as const) {
      const found = connections(path)
      assert.deepEqual([found.value, found.kind], [value, kind], path)
    }
  })
})
