import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { OWN_MAIL } from '../../../../src/egress/label'
import { PathBook } from '../../../../src/egress/path-book'
import { type KnownRoute, Planner } from '../../../../src/haraka/outbound/delivery'
import type { Route, Routes } from '../../../../src/haraka/outbound/routes'
import { RULES } from '../../egress/fixtures'
import { FakeItem, QUEUED_AT } from './fake-item'

const hostsAt = (host: string) => ({ kind: 'hosts', hosts: [{ host, preference: 0 }] }) as const

describe('a message that has waited for its path', () => {
  let route: Route
  let planner: Planner

  beforeEach(() => {
    mock.timers.enable({ apis: ['Date'], now: QUEUED_AT })
    planner = new Planner({
      book: new PathBook(() => RULES),
      routes: { find: () => Promise.resolve(route) } as unknown as Routes,
      labelOf: () => OWN_MAIL,
      sourceFor: () => ({ name: 'default', bind: undefined, bind6: undefined, helo: undefined }),
    })
  })
  afterEach(() => mock.timers.reset())

  function waitsFor(ms: number) {
    const delivery = planner.deliveryOf('id', new FakeItem().item, hostsAt('mx.far.test'), () => undefined)
    mock.timers.tick(ms)
    return delivery
  }

  it('is not looked after when that was not for long', async () => {
    route = hostsAt('mx.new.test')
    const delivery = waitsFor(4 * 60_000)
    assert.equal(await planner.lookAgain(delivery), undefined)
    assert.equal(delivery.path.path, 'egress|default|mx.far.test')
  })

  it('goes by its path to the hosts that are found now', async () => {
    route = { kind: 'hosts', hosts: [{ host: 'mx.far.test', preference: 5 }] }
    const delivery = waitsFor(6 * 60_000)
    assert.equal(await planner.lookAgain(delivery), undefined)
    assert.deepEqual(delivery.route, route)
    route = hostsAt('mx.new.test')
    assert.equal(await planner.lookAgain(delivery), undefined, 'it was looked for just now')
  })

  it('waits for another path when its hosts are others, by which it goes then', async () => {
    route = hostsAt('mx.new.test')
    const delivery = waitsFor(6 * 60_000)
    assert.equal(await planner.lookAgain(delivery), 'moved')
    assert.equal(delivery.path.path, 'egress|default|mx.new.test')
    assert.equal(await planner.lookAgain(delivery), undefined)
  })

  it('goes where it would have gone when DNS does not say, and nowhere when its domain takes no mail any more', async () => {
    const delivery = waitsFor(6 * 60_000)
    route = { kind: 'nowhere', isFinal: false, status: '4.4.3', why: 'DNS does not say.' }
    assert.equal(await planner.lookAgain(delivery), undefined)
    assert.equal(delivery.path.path, 'egress|default|mx.far.test')
    route = { kind: 'nowhere', isFinal: true, status: '5.1.10', why: 'far.test takes no mail.' }
    assert.equal(await planner.lookAgain(delivery), route)
  })
})

describe('the hosts that a message is sent to', () => {
  const OWN = { bind_helo: 'pool1.near.test', bind: '192.0.2.99' }
  const planner = new Planner({
    book: new PathBook(() => RULES),
    routes: {
      addressesOf: ([{ host }]: readonly [{ host: string }]) =>
        Promise.resolve(['192.0.2.1', '2001:db8::1'].map((exchange) => ({ exchange, from_dns: host, priority: 0 }))),
    } as unknown as Routes,
    labelOf: () => OWN_MAIL,
    sourceFor: () => ({ name: 'pool1', bind: '192.0.2.99', bind6: undefined, helo: 'pool1.near.test' }),
  })
  const hostsOf = (route: KnownRoute) =>
    planner.hostsFor(planner.deliveryOf('id', new FakeItem().item, route, () => undefined))

  it('have the address and name of the source', async () => {
    assert.deepEqual(await hostsOf(hostsAt('mx.far.test')), [
      { exchange: '192.0.2.1', from_dns: 'mx.far.test', priority: 0, ...OWN },
    ])
  })

  it('are those of a plugin as they are, but for what the source adds', async () => {
    const mx = [{ exchange: '192.0.2.5', port: 2525 }, { path: '/run/lmtp' }]
    assert.deepEqual(await hostsOf({ kind: 'fixed', mx }), [
      { ...mx[0], ...OWN },
      { ...mx[1], bind_helo: OWN.bind_helo },
    ])
  })

  it('are those of a plugin by their addresses where the source has its own, without those that it cannot get to', async () => {
    const relay = { exchange: 'relay.near.test', port: 587, auth_user: 'us' }
    assert.deepEqual(await hostsOf({ kind: 'fixed', mx: [relay, { exchange: '2001:db8::5' }] }), [
      { ...relay, ...OWN, exchange: '192.0.2.1', from_dns: 'relay.near.test' },
    ])
  })
})
