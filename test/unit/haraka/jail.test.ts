import assert from 'node:assert/strict'
import { compilePolicy } from '../../../src/config/compile'
import { DEFAULTS } from '../../../src/config/defaults'
import { configSchema } from '../../../src/config/schema'
import { entryOf } from '../../../src/gates/jail/ban-entry'
import { slowEntry } from '../../../src/gates/jail/slow-list'
import { Jail, modeOf } from '../../../src/haraka/jail'
import { Sessions } from '../../../src/haraka/session'
import { Tarpit } from '../../../src/haraka/tarpit'
import type { Connection } from '../../../src/haraka/types'
import { foldSender } from '../../../src/keys/mailbox'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { referenceOf } from '../../../src/policy/reference'
import { EventStream, type TelemetryEvent } from '../../../src/telemetry/events'
import { banOn, clientAt, isIn } from '../gates/jail/fixtures'

describe('jail', () => {
  let store: MemoryStore
  let events: TelemetryEvent[]
  let failures: string[]
  let sessions: Sessions

  async function open(changes: object = {}): Promise<Jail> {
    const config = configSchema.parse({
      ...DEFAULTS,
      trusted: ['203.0.113.0/24'],
      jail: { ...DEFAULTS.jail, mode: 'enforce', client: '2/h', ...changes },
    })
    const compiled = compilePolicy(config, () => undefined)
    const policy = 'policy' in compiled ? compiled.policy : assert.fail(JSON.stringify(compiled.problems))
    store = new MemoryStore()
    await store.open()
    events = []
    failures = []
    sessions = new Sessions((address) => policy.trusted.find(address) === true)
    const stream = new EventStream()
    stream.read((event) => events.push(event))
    const jail = new Jail({
      policy: () => policy,
      store: () => store,
      stream,
      isProxy: isIn('192.0.2.99'),
      remembers: () => false,
      isProven: () => false,
      onFailure: (what, error) => failures.push(`${what}: ${String(error)}`),
    })
    await jail.follow(store)
    return jail
  }

  function connect(ip: string, changes: object = {}) {
    const said: unknown[] = []
    const connection = {
      remote: { ip },
      notes: {},
      relaying: false,
      respond: (code: number, _message: unknown, done?: () => void) => {
        said.push(code)
        done?.()
      },
      disconnect: () => said.push('bye'),
      ...changes,
    } as unknown as Connection
    return { connection, said, session: sessions.of(connection) }
  }

  /** Lets what nobody waits for happen. */
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  const kinds = () => events.map((event) => (event.kind === 'offence' ? `offence ${event.account}` : event.kind))

  it('tells of each offence, bans, and ends the session', async () => {
    const jail = await open()
    const { connection, session, said } = connect('192.0.2.7')
    session.triedAccount = 'ann'
    jail.offend(connection, session, 'auth')
    jail.offend(connection, session, 'relay')
    await settle()
    assert.deepEqual(said, [])
    jail.offend(connection, session, 'protocol')
    await settle()
    assert.deepEqual(kinds(), ['offence ann', 'offence undefined', 'offence undefined', 'ban'])
    const ban = events.at(-1)
    assert.deepEqual(ban?.kind === 'ban' && ban.mode, { kind: 'enforce' })
    assert.deepEqual(said, [421, 'bye'])
  })

  for (const [answer, heard] of [
    ['defer', true],
    ['reject', true],
    ['defer', false],
  ] as const) {
    it(`ends the session in the words of the door, with their reference (${answer}, board ${heard ? 'heard' : 'late'})`, async () => {
      const jail = await open({ answer })
      if (!heard) jail.bans.apply = () => undefined
      const words: unknown[] = []
      const respond = (code: number, message: unknown) => words.push(code, message)
      const { connection, session } = connect('192.0.2.7', { respond })
      for (let time = 0; time < 3; time++) jail.offend(connection, session, 'protocol')
      await settle()
      const told = events.find((event) => event.kind === 'ban') ?? assert.fail('not banned')
      const ref = referenceOf(`192.0.2.7 ${told.at}`)
      assert.equal(words[0], 421)
      assert.match(
        String(words[1]),
        new RegExp(`^4\\.7\\.0 Your address is banned, try again in 1\\d minutes.* \\(sluice ban ${ref}\\)$`),
      )
    })
  }

  it('goes on with the session in shadow, when it is over, and when its user has logged in', async () => {
    for (const [jailChanges, changes, closed] of [
      [{ mode: 'shadow' }, {}, false],
      [{}, {}, true],
    ] as const) {
      const jail = await open(jailChanges)
      const { connection, session, said } = connect('192.0.2.7', changes)
      session.closed = closed
      for (let time = 0; time < 3; time++) jail.offend(connection, session, 'protocol')
      await settle()
      assert.ok(kinds().includes('ban'))
      assert.deepEqual(said, [])
    }
    const jail = await open()
    const { connection, session, said } = connect('192.0.2.7')
    for (let time = 0; time < 3; time++) jail.offend(connection, session, 'protocol')
    connection.relaying = true
    await settle()
    assert.deepEqual(said, [])
  })

  it('says nothing of who is never banned, so that no other program bans him either', async () => {
    const jail = await open({ never: ['198.51.100.7'] })
    for (const ip of ['203.0.113.5', '198.51.100.7', '192.0.2.99', '127.0.0.1']) {
      const { connection, session, said } = connect(ip)
      for (let time = 0; time < 9; time++) jail.offend(connection, session, 'auth')
      await settle()
      assert.deepEqual([ip, kinds(), said], [ip, [], []])
    }
  })

  it('survives a connection that breaks under it', async () => {
    const jail = await open()
    const respond = () => assert.fail('the socket is gone')
    const { connection, session } = connect('192.0.2.7', { respond })
    for (let time = 0; time < 3; time++) jail.offend(connection, session, 'protocol')
    await settle()
    assert.match(failures.join(), /offence: .*the socket is gone/)
  })

  describe('of a login', () => {
    const held = async (jail: Jail, session: ReturnType<typeof connect>['session'], account?: string) => {
      const tarpit = new Tarpit(20, 1)
      const began = performance.now()
      await jail.login(session, account, tarpit)
      return performance.now() - began > 10
    }

    it('holds the attempt at a slow account, as long as the tarpit lets it, and no other', async () => {
      const jail = await open({ slow: '5s' })
      await store.post([slowEntry('ann', Date.now() + 60_000)])
      const { session } = connect('192.0.2.7')
      assert.deepEqual(
        [await held(jail, session, 'ann'), await held(jail, session, 'bob'), await held(jail, session)],
        [true, false, false],
      )
      assert.equal(session.triedAccount, 'bob')
    })

    it('holds every attempt of a slow client, once each', async () => {
      const jail = await open()
      const { session } = connect('192.0.2.7')
      session.slow = true
      assert.deepEqual([await held(jail, session, 'bob'), await held(jail, session)], [true, false])
    })

    it('holds nobody in shadow', async () => {
      const jail = await open({ mode: 'shadow' })
      const { session } = connect('192.0.2.7')
      session.slow = true
      assert.equal(await held(jail, session, 'ann'), false)
    })
  })

  it('finds the ban that holds for a client', async () => {
    const jail = await open({ never: ['192.0.2.50'] })
    const sender = foldSender('a', 'mail.spam.example')
    const of = (ip: string, account?: string) => jail.banOf(clientAt(ip), account, sender)?.target.text
    assert.equal(of('192.0.2.7'), undefined)
    const until = Date.now() + 60_000
    const texts = ['192.0.2.0/24', 'account:ann', 'domain:spam.example']
    await store.post(texts.map((text) => entryOf(banOn(text, { until }))))
    assert.equal(of('192.0.2.7'), '192.0.2.0/24')
    assert.equal(of('192.0.2.7', 'bob'), undefined, 'who has logged in is known')
    assert.equal(of('198.51.100.7', 'ann'), 'account:ann')
    assert.equal(of('198.51.100.7'), 'domain:spam.example')
    assert.equal(of('192.0.2.50'), 'domain:spam.example', 'never for its address')
    assert.equal(jail.banOf({ ...clientAt('203.0.113.5'), trusted: true }, undefined, sender), undefined)
  })

  it('applies what people say in every mode but off', () => {
    const modes = (origin: string) =>
      (['off', 'shadow', 'enforce'] as const).map((kind) => modeOf(banOn('192.0.2.7', { origin }), { kind }).kind)
    assert.deepEqual(modes('jail'), ['off', 'shadow', 'enforce'])
    assert.deepEqual(modes('fail2ban'), ['off', 'enforce', 'enforce'])
  })
})
