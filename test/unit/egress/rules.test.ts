import assert from 'node:assert/strict'
import { ProviderIndex } from '../../../src/egress/providers'
import { type EgressRules, resolvePath } from '../../../src/egress/rules'
import { BASE, layer } from './fixtures'

const big = {
  name: 'big',
  match: { mxSuffix: ['big.test'], mxHost: [], domain: [] },
  layer: layer('provider', 'big', { connections: 20 }),
}
const rules: EgressRules = {
  base: BASE,
  providers: new Map([['big', big]]),
  index: new ProviderIndex([big]),
  sites: new Map([
    ['mx1.small.test+mx2.small.test', layer('site', 'small', { connections: 2 })],
    ['mx.own.big.test', layer('site', 'mx.own.big.test', { connections: 3 })],
    ['mx.like.big.test', layer('site', 'mx.like.big.test', { recipients: 3 })],
  ]),
  domains: new Map([
    ['shop.test', layer('domain', 'shop.test', { recipients: 7 })],
    ['slow.test', layer('domain', 'slow.test', { connections: 1 })],
    ['free.test', { ...layer('domain', 'free.test', {}), unset: ['message_rate'] }],
  ]),
  sources: new Map([['slow', layer('source', 'slow', { connections: 1 })]]),
}

describe('the path of a delivery', () => {
  it('is that of the provider, for all its domains', () => {
    const found = resolvePath(rules, { domain: 'Shop.test', mx: ['mx.big.test'], source: 'default' })
    assert.deepEqual([found.path, found.provider, found.site], ['egress|default|big', 'big', 'mx.big.test'])
    assert.deepEqual([found.profile.connections, found.profile.recipients], [20, 7])
  })

  it('is that of the MX set where there is no provider', () => {
    const mx = ['mx2.small.test', 'mx1.small.test']
    const found = resolvePath(rules, { domain: 'a.test', mx, source: 'default' })
    assert.deepEqual(
      [found.path, found.provider, found.profile.connections],
      ['egress|default|mx1.small.test+mx2.small.test', undefined, 2],
    )
  })

  it('is its own for a domain that says what all mail on a path shares', () => {
    const mx = ['mx.big.test']
    const found = resolvePath(rules, { domain: 'Slow.test', mx, source: 'default' })
    assert.deepEqual([found.path, found.provider, found.profile.connections], ['egress|default|@slow.test', 'big', 1])
    const free = resolvePath(rules, { domain: 'free.test', mx, source: 'default' })
    assert.equal(free.path, 'egress|default|@free.test')
  })

  it('is its own for a site of a provider that says what all mail on a path shares', () => {
    const ofSite = (host: string) => resolvePath(rules, { domain: 'a.test', mx: [host], source: 'default' })
    assert.deepEqual(
      [ofSite('mx.own.big.test').path, ofSite('mx.own.big.test').profile.connections],
      ['egress|default|mx.own.big.test', 3],
    )
    assert.deepEqual(
      [ofSite('mx.like.big.test').path, ofSite('mx.like.big.test').profile.recipients],
      ['egress|default|big', 3],
    )
  })

  it('is another one from another source, whose figures come last', () => {
    const found = resolvePath(rules, { domain: 'a.test', mx: ['mx.big.test'], source: 'slow' })
    assert.deepEqual([found.path, found.profile.connections], ['egress|slow|big', 1])
  })
})
