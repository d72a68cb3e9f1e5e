import assert from 'node:assert/strict'
import { banOf } from '../../../../src/gates/jail/ban-entry'
import { BanList } from '../../../../src/gates/jail/ban-list'
import { type JailPolicy, type Offence, protectionOf } from '../../../../src/gates/jail/jail-policy'
import { SlowList } from '../../../../src/gates/jail/slow-list'
import { Warden } from '../../../../src/gates/jail/warden'
import { meritAsk } from '../../../../src/gates/reputation/merits'
import type { Ban } from '../../../../src/policy/ban'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import type { Ask, Verdict } from '../../../../src/store/store'
import { AT, DAY, HOUR, MINUTE, clientAt, boardEntry, jailPolicy, isIn, networks } from './fixtures'

/** A store that can be made to fail as a shared one does. */
class FickleStore extends MemoryStore {
  degraded = false
  deaf = false
  forgetful = false

  override judge(asks: readonly Ask[]): Verdict {
    return { ...super.judge(asks), degraded: this.degraded }
  }

  override async post(...given: Parameters<MemoryStore['post']>): Promise<void> {
    if (this.deaf) throw new Error('away')
    await super.post(...given)
    if (this.forgetful) throw new Error('disk full')
  }
}

describe('warden', () => {
  const THIEF = clientAt('192.0.2.7')
  let now: number
  let random: number
  let policy: JailPolicy
  let store: FickleStore
  let bans: BanList
  let slow: SlowList
  let told: (readonly [Ban, number])[]
  let failures: string[]
  let warden: Warden
  let onBan: (ban: Ban, before: number) => void

  beforeEach(async () => {
    now = AT
    random = 0
    policy = jailPolicy()
    store = new FickleStore({ clock: () => now })
    bans = new BanList(() => now)
    slow = new SlowList(() => now)
    store.onBoard((change) => {
      bans.apply(change)
      slow.apply(change)
    })
    await store.open()
    told = []
    failures = []
    onBan = (ban, before) => told.push([ban, before])
    warden = new Warden({
      policy: () => policy,
      store: () => store,
      bans,
      slow,
      protection: protectionOf(networks('203.0.113.0/24'), networks('198.51.100.7'), isIn('192.0.2.99')),
      onBan: (ban, before) => onBan(ban, before),
      onFailure: (what, error) => failures.push(`${what} ${String(error)}`),
      clock: () => now,
      random: () => random,
    })
  })

  async function offend(ip: string, times: number, offence: Offence = 'protocol', account?: string) {
    let last = { banned: false, slow: false }
    for (let time = 0; time < times; time++) {
      const { banned, slow } = await warden.offend(clientAt(ip), offence, account)
      last = { banned, slow }
    }
    return last
  }
  /** In another process that shares the store, and hears late of what others have banned. */
  const deafTwin = () =>
    new Warden({
      policy: () => policy,
      store: () => store,
      bans: new BanList(() => now),
      slow: new SlowList(() => now),
      protection: () => undefined,
      onBan: (ban, before) => told.push([ban, before]),
      onFailure: (what, error) => failures.push(`${what} ${String(error)}`),
      clock: () => now,
      random: () => random,
    })
  const lines = () =>
    told.map(([{ target, since, until, reason }, before]) => [target.text, (until - since) / MINUTE, before, reason])

  it('bans who does more than the buckets hold, for a while', async () => {
    assert.deepEqual(await offend('192.0.2.7', 3), { banned: false, slow: false })
    assert.equal(bans.size, 0)
    assert.deepEqual(await offend('192.0.2.7', 1, 'relay'), { banned: true, slow: false })
    assert.deepEqual(lines(), [['192.0.2.7', 10, 0, 'too many attempts to relay']])
    assert.equal(bans.findAddress(THIEF.address)?.origin, 'jail')
    now += 10 * MINUTE
    assert.equal(bans.findAddress(THIEF.address), undefined)
  })

  it('counts the points of each offence, and none where there are none', async () => {
    policy = jailPolicy({ points: { ...policy.points, junk: 0 } })
    assert.equal((await offend('192.0.2.7', 20, 'junk')).banned, false)
    assert.equal((await offend('192.0.2.7', 1, 'early')).banned, false)
    assert.equal((await offend('192.0.2.7', 1, 'probe')).banned, true)
  })

  it('catches who tries slowly with its long buckets', async () => {
    policy = jailPolicy({
      client: [
        { limit: 3, windowMs: 10 * MINUTE },
        { limit: 5, windowMs: 24 * HOUR },
      ],
    })
    for (let time = 0; time < 5; time++) {
      assert.equal((await offend('192.0.2.7', 1)).banned, false)
      now += HOUR
    }
    assert.equal((await offend('192.0.2.7', 1)).banned, true)
  })

  it('takes a whole /64 for one client, and an address of IPv4 for itself', async () => {
    await offend('2001:db8:6:1::7', 2)
    await offend('2001:db8:6:1::8', 2)
    await offend('2001:db8:6:2::7', 3)
    await offend('192.0.2.8', 3)
    assert.deepEqual(
      lines().map(([target]) => target),
      ['2001:db8:6:1::/64'],
    )
  })

  it('bans twice as long each time, spread by chance, and forgets in the end', async () => {
    for (const [before, minutes] of [10, 20, 40].entries()) {
      await offend('192.0.2.7', 4)
      assert.deepEqual(lines().at(-1)?.slice(1, 3), [minutes, before])
      now += 2 * HOUR
    }
    random = 0.5
    await offend('192.0.2.7', 4)
    assert.equal(lines().at(-1)?.[1], 84)
    now += 61 * DAY
    await offend('192.0.2.7', 4)
    assert.deepEqual(lines().at(-1)?.slice(1, 3), [10.5, 0])
  })

  it('makes one ban of what comes at once, and counts nothing of who is banned', async () => {
    await Promise.all(Array.from({ length: 20 }, () => offend('192.0.2.7', 1)))
    assert.equal(told.filter(([, before]) => before > 0).length, 0)
    const made = told.length
    await offend('192.0.2.7', 50)
    assert.equal(told.length, made)
  })

  it('makes one ban of what comes at once in two processes, before one hears of the other', async () => {
    const wardens = [warden, deafTwin()]
    const all = (ip: string) => Promise.all(wardens.map((one) => one.offend(clientAt(ip), 'protocol', undefined)))
    await offend('192.0.2.7', 3)
    const outcomes = await all('192.0.2.7')
    assert.deepEqual(
      outcomes.map(({ banned, ban }) => [banned, ban?.target.text]),
      [
        [true, '192.0.2.7'],
        [true, undefined],
      ],
    )
    assert.deepEqual(lines(), [['192.0.2.7', 10, 0, 'too many protocol errors']])
    now += MINUTE
    await store.withdraw(['ban|192.0.2.7'])
    await all('192.0.2.7')
    assert.deepEqual(lines().slice(1), [['192.0.2.7', 20, 1, 'too many protocol errors']], 'later it is another')
  })

  it('makes one ban of a network when two processes find it at once', async () => {
    for (const ip of ['192.0.2.7', '192.0.2.8']) await offend(ip, 4)
    for (const ip of ['192.0.2.9', '192.0.2.10']) await offend(ip, 3)
    const twin = deafTwin()
    await Promise.all([
      warden.offend(clientAt('192.0.2.9'), 'protocol', undefined),
      twin.offend(clientAt('192.0.2.10'), 'protocol', undefined),
    ])
    assert.deepEqual(
      lines().filter(([target]) => target === '192.0.2.0/24'),
      [['192.0.2.0/24', 10, 0, 'more than 2 banned clients in a day']],
    )
  })

  it('bans a network for several offenders, each another one', async () => {
    for (let time = 0; time < 4; time++) {
      await offend('192.0.2.7', 4)
      now += 2 * HOUR
    }
    assert.deepEqual(new Set(lines().map(([target]) => target)), new Set(['192.0.2.7']))
    await offend('192.0.2.8', 4)
    assert.equal(bans.findAddress(clientAt('192.0.2.200').address), undefined)
    await offend('192.0.2.9', 4)
    assert.deepEqual(lines().at(-1), ['192.0.2.0/24', 10, 0, 'more than 2 banned clients in a day'])
    assert.ok(bans.findAddress(clientAt('192.0.2.200').address))
    assert.equal(bans.findAddress(clientAt('192.0.3.1').address), undefined)
  })

  it('never bans who is protected, whatever he does, and nobody for his account', async () => {
    for (const ip of ['203.0.113.5', '198.51.100.7', '192.0.2.99', '127.0.0.1', '10.1.2.3', '::1', 'fd00::1']) {
      assert.equal((await offend(ip, 30)).banned, false, ip)
      assert.equal(await warden.ban(clientAt(ip), 'dnsbl', 'listed'), false)
    }
    assert.deepEqual([told, bans.size], [[], 0])
  })

  it('slows an account that many guess at, and bans none of them for it', async () => {
    for (let guess = 0; guess < 6; guess++) await offend(`192.0.${guess}.7`, 1, 'auth', 'ann')
    assert.deepEqual([slow.has('ann'), slow.has('bob'), bans.size], [true, false, 0])
    now += 10 * MINUTE
    assert.equal(slow.has('ann'), false, 'and not for ever')
  })

  it('tells of a slow account once in a while, however many guess at it', async () => {
    const posted: number[] = []
    store.onBoard((change) => change.kind === 'posted' && posted.push(change.entry.expiresAt - AT))
    const guess = async (times: number) => {
      for (let time = 0; time < times; time++, now += 1000) await offend(`198.51.${time}.7`, 1, 'auth', 'ann')
    }
    await guess(100)
    assert.deepEqual(posted, [10 * MINUTE + 5000])
    now = AT + 6 * MINUTE
    await guess(100)
    assert.deepEqual(posted.slice(1), [16 * MINUTE])
  })

  it('slows an account for a protected client too, which may be in a banned network', async () => {
    await store.post([boardEntry('203.0.113.0/24')])
    const { slow: held } = await offend('203.0.113.5', 3, 'auth', 'ann')
    assert.equal(held, true)
    await offend('203.0.113.5', 3, 'auth', 'ann')
    assert.equal(slow.has('ann'), true)
  })

  it('slows one client at one account before all', async () => {
    policy = jailPolicy({ client: [{ limit: 100, windowMs: HOUR }] })
    assert.equal((await offend('192.0.2.7', 2, 'auth', 'ann')).slow, false)
    assert.equal((await offend('192.0.2.7', 1, 'auth', 'ann')).slow, true)
    assert.equal((await offend('192.0.2.8', 1, 'auth', 'ann')).slow, false)
    assert.equal((await offend('192.0.2.7', 1, 'auth', 'bob')).slow, false)
    assert.equal(slow.has('ann'), false)
  })

  it('slows nobody where that is switched off', async () => {
    policy = jailPolicy({ slowMs: 0 })
    for (let guess = 0; guess < 9; guess++) await offend(`192.0.${guess}.7`, 1, 'auth', 'ann')
    assert.equal(slow.has('ann'), false)
  })

  it('takes any account for a key, however it is made', async () => {
    for (const account of ['|', '\ud800', 'x'.repeat(5000), '\0', '']) await offend('192.0.2.7', 1, 'probe', account)
    await offend('192.0.9.7', 1, 'auth', '\ud800'.repeat(100))
    assert.deepEqual(failures, [])
  })

  it('counts nothing when it is off, and all in shadow', async () => {
    policy = jailPolicy({ mode: { kind: 'off' } })
    assert.equal((await offend('192.0.2.7', 20)).banned, false)
    policy = jailPolicy({ mode: { kind: 'shadow' } })
    assert.equal((await offend('192.0.2.7', 4)).banned, true)
    assert.equal(bans.size, 1)
  })

  it('bans nobody while the shared store is away: by itself a process knows too little', async () => {
    store.degraded = true
    assert.equal((await offend('192.0.2.7', 50)).banned, false)
    assert.deepEqual([told, bans.size, failures], [[], 0, []])
  })

  it('says when the others could not be told', async () => {
    store.deaf = true
    assert.equal((await offend('192.0.2.7', 4)).banned, false)
    assert.deepEqual([failures, told], [['ban Error: away'], []])
    await store.close()
    assert.equal((await offend('192.0.2.8', 9)).banned, false)
    assert.match(failures[1]!, /^judge /)
  })

  it('tells of a ban that holds here, though the others could not be told', async () => {
    store.forgetful = true
    assert.equal((await offend('192.0.2.7', 4)).banned, true)
    assert.deepEqual(failures, ['ban Error: disk full'])
    assert.equal(told.length, 1)
  })

  it('tells of a ban once it stands', async () => {
    const standing: boolean[] = []
    onBan = () => standing.push(bans.findAddress(THIEF.address) !== undefined)
    await offend('192.0.2.7', 4)
    assert.deepEqual(standing, [true])
  })

  it('bans at once for who asks, as a DNS list does', async () => {
    assert.equal(await warden.ban(THIEF, 'dnsbl', 'zen.example'), true)
    assert.deepEqual(lines(), [['192.0.2.7', 10, 0, 'zen.example']])
    assert.equal(await warden.ban(THIEF, 'dnsbl', 'zen.example'), true)
    assert.equal(told.length, 1)
    const [entry] = await store.readBoard('ban|', 10)
    assert.equal(banOf(entry!)?.origin, 'dnsbl')
  })

  describe('knows partners', () => {
    const memory = { halfLifeMs: 14 * DAY, keepMs: 60 * DAY }
    let knowing: Warden
    beforeEach(() => {
      knowing = new Warden({
        policy: () => policy,
        store: () => store,
        bans,
        slow,
        protection: () => undefined,
        reputation: () => memory,
        onBan: (ban, before) => told.push([ban, before]),
        onFailure: (what, error) => failures.push(`${what} ${String(error)}`),
        clock: () => now,
        random: () => random,
      })
    })
    const offend = async (offence: Offence) => {
      for (let time = 0; time < 200; time++) await knowing.offend(THIEF, offence, undefined)
    }
    const earn = (sample: number) => {
      for (let session = 0; session < 10; session++) store.judge([meritAsk('client', '192.0.2.7', memory, sample)])
    }

    it('and bans none for what its users do through it', async () => {
      earn(1)
      for (const offence of ['unknown_recipient', 'relay', 'protocol', 'junk', 'probe'] as const) await offend(offence)
      assert.deepEqual(told, [])
    })

    it('but bans who guesses passwords, and who has no good name', async () => {
      earn(1)
      await offend('auth')
      assert.equal(told.length, 1)
      await store.withdraw(['ban|192.0.2.7'])
      now += MINUTE
      store.judge([meritAsk('client', '192.0.2.7', memory, -1)])
      earn(0)
      await offend('unknown_recipient')
      assert.equal(told.length, 2)
    })
  })
})
