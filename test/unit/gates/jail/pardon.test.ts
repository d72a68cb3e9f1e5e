import assert from 'node:assert/strict'
import { BanDesk } from '../../../../src/gates/jail/ban-desk'
import { BanList } from '../../../../src/gates/jail/ban-list'
import { SlowList } from '../../../../src/gates/jail/slow-list'
import { Warden } from '../../../../src/gates/jail/warden'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, HOUR, MINUTE, clientAt, jailPolicy } from './fixtures'

describe('after a pardon', () => {
  let now: number
  let bans: BanList
  let told: (readonly [string, number, number])[]
  let desk: BanDesk
  let warden: Warden

  beforeEach(async () => {
    now = AT
    const clock = () => now
    const store = new MemoryStore({ clock })
    bans = new BanList(clock)
    store.onBoard((change) => bans.apply(change))
    await store.open()
    told = []
    desk = new BanDesk(store, () => undefined, clock)
    const policy = jailPolicy()
    warden = new Warden({
      policy: () => policy,
      store: () => store,
      bans,
      slow: new SlowList(clock),
      protection: () => undefined,
      onBan: ({ target, since, until }, before) => told.push([target.text, (until - since) / MINUTE, before]),
      onFailure: (what, error) => assert.fail(`${what} ${String(error)}`),
      clock,
      random: () => 0,
    })
  })

  async function offend(ip: string, times: number): Promise<void> {
    for (let time = 0; time < times; time++) await warden.offend(clientAt(ip), 'protocol', undefined)
  }

  it('of an operator a client begins anew: with empty buckets, and the first ban', async () => {
    await offend('192.0.2.7', 4)
    assert.deepEqual(told, [['192.0.2.7', 10, 0]])
    assert.deepEqual(await desk.unban('192.0.2.7'), { target: '192.0.2.7', found: true })
    await offend('192.0.2.7', 3)
    assert.equal(told.length, 1)
    await offend('192.0.2.7', 1)
    assert.deepEqual(told.slice(1), [['192.0.2.7', 10, 0]])
  })

  it('of an operator a network begins anew', async () => {
    for (const ip of ['192.0.2.7', '192.0.2.8', '192.0.2.9']) await offend(ip, 4)
    assert.deepEqual(told.at(-1), ['192.0.2.0/24', 10, 0])
    await desk.unban('192.0.2.0/24')
    for (const ip of ['192.0.2.10', '192.0.2.11']) await offend(ip, 4)
    assert.equal(bans.findAddress(clientAt('192.0.2.200').address), undefined)
    await offend('192.0.2.12', 4)
    assert.deepEqual(told.at(-1), ['192.0.2.0/24', 10, 0])
  })

  it('of a program nothing is forgotten: it lifts what it has banned, and knows no more', async () => {
    await offend('192.0.2.7', 4)
    await desk.banFor({ target: '192.0.2.7', forMs: HOUR, reason: '', origin: 'fail2ban' }, () => true)
    assert.deepEqual(await desk.unban('192.0.2.7', 'fail2ban'), { target: '192.0.2.7', found: true })
    now += MINUTE
    await offend('192.0.2.7', 1)
    assert.deepEqual(told.at(-1), ['192.0.2.7', 20, 1])
  })
})
