import assert from 'node:assert/strict'
import { BanDesk, type BanRequest, MOST_BAN_MS, banForMachines } from '../../../../src/gates/jail/ban-desk'
import { entryOf } from '../../../../src/gates/jail/ban-entry'
import { recordAsk } from '../../../../src/gates/jail/evidence'
import { protectionOf } from '../../../../src/gates/jail/jail-policy'
import type { Ban } from '../../../../src/policy/ban'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, DAY, HOUR, MINUTE, banOn, isIn, networks } from './fixtures'

describe('ban desk', () => {
  let now: number
  let store: MemoryStore
  let desk: BanDesk
  beforeEach(async () => {
    now = AT
    store = new MemoryStore({ clock: () => now })
    await store.open()
    const protection = protectionOf(
      networks('203.0.113.0/24'),
      networks('198.51.100.7', '2001:db8:7::9'),
      isIn('192.0.2.99'),
    )
    desk = new BanDesk(store, protection, () => now)
  })

  const request = (changes: Partial<BanRequest> = {}): BanRequest => ({
    target: '192.0.2.7',
    forMs: HOUR,
    reason: 'ssh',
    origin: 'fail2ban',
    ...changes,
  })
  const problemOf = async (changes: Partial<BanRequest>) => {
    const done = await desk.ban(request(changes))
    return 'problem' in done ? done.problem : assert.fail(`banned ${done.target.text}`)
  }
  const listed = async () => (await desk.list()).map(({ target, origin }) => `${target.text} ${origin}`)

  it('bans for every server, and lifts again', async () => {
    const made = await desk.ban(request({ target: ' 192.0.2.7/32', reason: 'ssh\n!' }))
    assert.deepEqual(made, banOn('192.0.2.7', { origin: 'fail2ban', reason: 'ssh !' }))
    assert.deepEqual(await desk.list(), [made])
    assert.deepEqual(await desk.look('192.0.2.7'), { target: '192.0.2.7', found: true })
    assert.deepEqual(await desk.unban('192.0.2.7'), { target: '192.0.2.7', found: true })
    assert.deepEqual(await desk.unban('192.0.2.7'), { target: '192.0.2.7', found: false })
    assert.deepEqual(await desk.list(), [])
  })

  it('only looks when it is asked to', async () => {
    assert.ok(!('problem' in desk.examine(request())))
    assert.deepEqual(await listed(), [])
    assert.ok('problem' in (await desk.look('nobody')))
  })

  it('never bans who is protected', async () => {
    assert.match(
      await problemOf({ target: '203.0.113.5' }),
      /^203\.0\.113\.5 is a trusted network, which is never banned/,
    )
    assert.match(await problemOf({ target: '198.51.100.7' }), /listed in jail\.never/)
    assert.match(await problemOf({ target: '192.0.2.99' }), /a proxy of this server/)
    assert.match(await problemOf({ target: '2001:db8:7::9' }), /^2001:db8:7::9 is listed in jail\.never/)
    for (const target of ['10.1.2.3', '127.0.0.1', 'fe80::1', 'fd00::/16']) {
      assert.match(await problemOf({ target }), /a private address/, target)
    }
    assert.deepEqual(await listed(), [])
  })

  it('bans for a time, and not for ever', async () => {
    for (const forMs of [0, -1000, 999, MOST_BAN_MS + 1, Infinity, NaN]) {
      assert.match(await problemOf({ forMs }), /nothing stays for ever/, String(forMs))
    }
    assert.ok(!('problem' in (await desk.ban(request({ forMs: MOST_BAN_MS })))))
  })

  it('takes no origin that is no word, or that is its own', async () => {
    assert.match(await problemOf({ origin: 'a b' }), /one word/)
    for (const origin of ['jail', 'dnsbl']) assert.match(await problemOf({ origin }), /Sluice's own/)
    assert.match(await problemOf({ target: 'x' }), /nobody that can be banned/)
  })

  it('lists the soonest to end first', async () => {
    await desk.ban(request({ forMs: 2 * HOUR }))
    await desk.ban(request({ target: 'account:ann', forMs: HOUR }))
    await store.post([{ key: 'slow|ann', text: '', expiresAt: AT + HOUR }])
    assert.deepEqual(await listed(), ['account:ann fail2ban', '192.0.2.7 fail2ban'])
  })

  it('finds a ban of just this target, among those that begin alike', async () => {
    for (const target of ['192.0.2.70', '192.0.2.7', '192.0.2.77']) await desk.ban(request({ target }))
    assert.deepEqual(await desk.unban('192.0.2.7', 'fail2ban'), { target: '192.0.2.7', found: true })
    assert.deepEqual((await listed()).sort(), ['192.0.2.70 fail2ban', '192.0.2.77 fail2ban'])
  })

  it('forgets what counts against whom an operator lifts, and nothing of others or of who was not banned', async () => {
    const record = (target: string) => store.judge([recordAsk(target, { memoryMs: DAY })]).answers[0]?.count
    const clients = ['192.0.2.7', '192.0.2.8', '2001:db8:6:1::/64', '2001:db8:6:2::/64']
    clients.forEach(record)
    for (const target of ['192.0.2.7', '192.0.2.0/25', '2001:db8:6:1::/64', '2001:db8:6:2::7']) {
      await desk.ban(request({ target }))
    }
    for (const target of ['192.0.2.7/32', '192.0.2.8', '192.0.2.0/25', '2001:DB8:6:1::/64', '2001:db8:6:2::7']) {
      await desk.unban(target)
    }
    now += HOUR
    assert.deepEqual(clients.map(record), [0, 1, 0, 0])
  })

  describe('for a program', () => {
    const always = () => true
    const banFor = async (changes: Partial<BanRequest>, holds: (ban: Ban) => boolean = always) => {
      const done = await desk.banFor(request(changes), holds)
      return 'problem' in done ? assert.fail(done.problem) : [done.ban.origin, done.ban.until - AT, done.changed]
    }

    it('changes nothing that an operator has banned, for it would lift it', async () => {
      await desk.ban(request({ origin: 'operator', forMs: HOUR }))
      assert.deepEqual(await banFor({ forMs: MINUTE }), ['operator', HOUR, false])
      assert.deepEqual(await banFor({ forMs: 2 * HOUR }), ['operator', HOUR, false])
    })

    it('prolongs its own and what another program has banned, and never shortens it', async () => {
      assert.deepEqual(await banFor({ forMs: HOUR }), ['fail2ban', HOUR, true])
      assert.deepEqual(await banFor({ forMs: MINUTE }), ['fail2ban', HOUR, false], 'its own')
      assert.deepEqual(await banFor({ forMs: 7 * DAY, origin: 'recidive' }), ['recidive', 7 * DAY, true])
      assert.deepEqual(await banFor({ forMs: HOUR }), ['recidive', 7 * DAY, false])
      await desk.unban('192.0.2.7', 'fail2ban')
      assert.deepEqual(await listed(), ['192.0.2.7 recidive'])
      assert.deepEqual(await desk.unban('192.0.2.7', 'recidive'), { target: '192.0.2.7', found: true })
    })

    it('leaves it to the operator to shorten what stands', async () => {
      await banFor({ forMs: 7 * DAY })
      const made = await desk.ban(request({ origin: 'operator', forMs: MINUTE }))
      assert.deepEqual(await desk.list(), [made])
    })

    it('prolongs what the jail has banned, and never shortens it', async () => {
      await store.post([entryOf(banOn('192.0.2.7', { origin: 'jail' }))])
      assert.deepEqual(await banFor({ forMs: MINUTE }), ['jail', HOUR, false])
      assert.deepEqual(await banFor({ forMs: 2 * HOUR }), ['fail2ban', 2 * HOUR, true])
    })

    it('is not put off by a ban in shadow', async () => {
      await store.post([entryOf(banOn('192.0.2.7', { origin: 'jail', until: AT + 9 * HOUR }))])
      assert.deepEqual(await banFor({}, always), ['jail', 9 * HOUR, false])
      assert.deepEqual(await banFor({}, () => false), ['fail2ban', HOUR, true])
    })

    it('does not lift what another has banned', async () => {
      await desk.ban(request({ origin: 'operator' }))
      const { found, stays } = (await desk.unban('192.0.2.7', 'fail2ban')) as { found: boolean; stays?: Ban }
      assert.deepEqual([found, stays?.origin], [false, 'operator'])
      assert.deepEqual(await listed(), ['192.0.2.7 operator'])
      assert.deepEqual(await desk.unban('192.0.2.8', 'fail2ban'), { target: '192.0.2.8', found: false })
    })
  })

  it('is told to machines with times that they read', () => {
    assert.deepEqual(banForMachines(banOn('2001:db8::/48')), {
      target: '2001:db8::/48',
      kind: 'network',
      origin: 'operator',
      reason: 'floods us',
      since: '2026-11-22T03:41:00.000Z',
      until: '2026-11-22T04:41:00.000Z',
    })
  })
})
