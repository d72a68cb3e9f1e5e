import assert from 'node:assert/strict'
import { mergeLayers, profileOf } from '../../../src/egress/profile'
import { BASE, layer } from './fixtures'

describe('the profile of a path', () => {
  it('is laid from default to source, whatever order the layers come in', () => {
    const layers = [
      layer('source', 's', { connections: 5 }),
      layer('domain', 'd', { connections: 4, recipients: 4 }),
      layer('site', 'x', { connections: 3, recipients: 3, 'retry.factor': 3 }),
      layer('provider', 'p', { connections: 2, recipients: 2, 'retry.factor': 2.5, tls: 'required' }),
      BASE,
    ]
    const { connections, recipients, retry, tls } = profileOf(mergeLayers(layers))
    assert.deepEqual([connections, recipients, retry.factor, tls.demand], [5, 4, 3, 'required'])
  })

  it('remembers which layer said each figure, and where', () => {
    const figures = mergeLayers([BASE, layer('provider', 'google', { connections: 5 })])
    assert.deepEqual(figures.get('connections'), {
      figure: 'connections',
      value: 5,
      kind: 'provider',
      name: 'google',
      origin: { place: 'provider:1' },
    })
    assert.equal(figures.get('recipients')?.kind, 'default')
  })

  it('has no limit that a layer takes away, until a later one says it again', () => {
    const free = layer('provider', 'p', {}, ['message_rate', 'size'])
    const figures = mergeLayers([BASE, free, layer('domain', 'd', { size: 5 })])
    const { messageRate, sizeBytes } = profileOf(figures)
    assert.deepEqual([messageRate, sizeBytes], [undefined, 5])
    assert.equal(figures.get('message_rate')?.name, 'p')
    assert.equal(figures.get('size')?.name, 'd')
  })

  it('keeps the name of the first that took a figure away', () => {
    const layers = [BASE, layer('provider', 'p', {}, ['size']), layer('domain', 'd', {}, ['size'])]
    assert.equal(mergeLayers(layers).get('size')?.name, 'p')
  })

  it('says every figure in the units of the code', () => {
    assert.deepEqual(profileOf(mergeLayers([BASE])), {
      connections: 10,
      messageRate: { limit: 100, windowMs: 1000 },
      connectionRate: { limit: 100, windowMs: 60_000 },
      recipients: 100,
      sizeBytes: 10_000_000,
      sessions: { messages: 100, idleMs: 5000 },
      tls: { demand: 'opportunistic', minVersion: 'TLSv1.2' },
      retry: { firstMs: 60_000, factor: 2, longestMs: 3_600_000, jitter: 0.2 },
      timeouts: {
        ...{ connectMs: 1000, greetingMs: 2000, ehloMs: 3000, starttlsMs: 4000 },
        ...{ mailMs: 5000, rcptMs: 6000, dataMs: 7000, dotMs: 8000 },
      },
    })
  })

  it('has no sessions to reuse where a layer switches them off', () => {
    assert.equal(profileOf(mergeLayers([BASE, layer('domain', 'd', { sessions: 'off' })])).sessions, 'off')
  })

  it('never waits less for the longest retry than for the first', () => {
    const { retry } = profileOf(mergeLayers([BASE, layer('domain', 'd', { 'retry.first': 7_200_000 })]))
    assert.deepEqual([retry.firstMs, retry.longestMs], [7_200_000, 7_200_000])
  })

  it('is refused where nobody says a figure that every path needs', () => {
    assert.throws(() => profileOf(mergeLayers([layer('default', '', { connections: 1 })])), /no layer says/)
  })
})
