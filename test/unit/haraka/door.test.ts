import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { compilePolicy } from '../../../src/config/compile'
import { DEFAULTS } from '../../../src/config/defaults'
import { configSchema } from '../../../src/config/schema'
import { entryOf } from '../../../src/gates/jail/ban-entry'
import { Door } from '../../../src/haraka/door'
import { Jail } from '../../../src/haraka/jail'
import { Sessions } from '../../../src/haraka/session'
import type { HarakaServer } from '../../../src/haraka/types'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { EventStream, type TelemetryEvent } from '../../../src/telemetry/events'
import { banOn, isIn } from '../gates/jail/fixtures'

type Listener = EventEmitter & { has_tls: boolean | undefined }

describe('door', () => {
  let events: TelemetryEvent[]
  let failures: string[]
  let level: number
  let isProven: boolean | undefined
  let isProxy: ReturnType<typeof isIn>

  beforeEach(() => {
    events = []
    failures = []
    level = 0
    isProven = false
    isProxy = isIn('192.0.2.99')
  })

  /** A door that jail and overload keep, with some bans in force. */
  async function open(config: object, ...bans: Parameters<typeof banOn>[]) {
    const parsed = configSchema.parse({
      ...DEFAULTS,
      trusted: ['203.0.113.0/24'],
      jail: { ...DEFAULTS.jail, mode: 'enforce' },
      overload: { ...DEFAULTS.overload, mode: 'enforce' },
      ...config,
    })
    const compiled = compilePolicy(parsed, () => undefined)
    const policy = 'policy' in compiled ? compiled.policy : assert.fail(JSON.stringify(compiled.problems))
    const store = new MemoryStore()
    await store.open()
    const until = Date.now() + 3_600_000
    await store.post(bans.map(([text, changes]) => entryOf(banOn(text, { since: Date.now(), until, ...changes }))))
    const stream = new EventStream()
    stream.read((event) => events.push(event))
    const sessions = new Sessions((address) => policy.trusted.find(address) === true)
    const jail = new Jail({
      policy: () => policy,
      store: () => store,
      stream,
      isProxy,
      remembers: () => false,
      isProven: () => isProven,
      onFailure: (what, error) => failures.push(`${what}: ${String(error)}`),
    })
    await jail.follow(store)
    const door = new Door({
      policy: () => policy,
      jail: () => jail,
      load: {
        get level() {
          return level
        },
        familiar: (_client, port) => port === 587,
      },
      isProxy: (address) => isProxy(address),
      clientAt: (ip) => sessions.clientAt(ip),
      store: () => store,
      stream,
      onFailure: ({ message }) => failures.push(message),
    })
    return door
  }

  function serverWith(...listeners: Listener[]): HarakaServer {
    return { listeners, notes: {} } as unknown as HarakaServer
  }

  function listenerFor(has_tls: boolean | undefined, served: string[]): Listener {
    return Object.assign(new EventEmitter(), { has_tls }).on('connection', (socket: { remoteAddress: string }) =>
      served.push(socket.remoteAddress),
    )
  }

  /** Connects, and returns what the client reads when it is turned away. */
  function connect(listener: Listener, remoteAddress: string, localPort = 25): string | undefined {
    let said: string | undefined
    const socket = Object.assign(new EventEmitter(), {
      ...{ remoteAddress, localPort },
      end: (text: string) => (said = text),
      destroySoon: () => undefined,
    })
    listener.emit('connection', socket)
    if (said !== undefined) socket.emit('error', new Error('reset by the client'))
    return said
  }

  async function keep(config: object, ...bans: Parameters<typeof banOn>[]) {
    const served: string[] = []
    const [plain, tls, http] = [listenerFor(false, served), listenerFor(true, served), listenerFor(undefined, served)]
    const door = await open(config, ...bans)
    const server = serverWith(plain, tls, http)
    door.keep('jail', server)
    door.keep('overload', server)
    return { plain, tls, http, served, door }
  }

  it('turns the banned away, tells why, and lets everybody else in, once', async () => {
    const { plain, served } = await keep({}, ['192.0.2.0/24'], ['2001:db8:1::/48'])
    const banned = /^421 4\.7\.0 Your address is banned, try again in .* \(sluice ban [0-9A-Z]{7}\)\r\n$/
    for (const ip of ['192.0.2.7', '::ffff:192.0.2.8', '2001:db8:1::9']) assert.match(connect(plain, ip) ?? '', banned)
    assert.deepEqual(served, [])
    assert.equal(events.length, 3)
    for (const ip of ['192.0.3.7', '::ffff:192.0.3.8', '2001:db8:2::9']) assert.equal(connect(plain, ip), undefined)
    assert.deepEqual(served, ['192.0.3.7', '::ffff:192.0.3.8', '2001:db8:2::9'])
    assert.equal(events.length, 3)
    assert.deepEqual(failures, [])
  })

  it('refuses for good where the jail does', async () => {
    const { plain } = await keep({ jail: { ...DEFAULTS.jail, mode: 'enforce', answer: 'reject' } }, ['192.0.2.7'])
    assert.match(connect(plain, '192.0.2.7') ?? '', /^554 5\.7\.1 Your address is banned \(sluice ban /)
  })

  it('leaves TLS and HTTP alone, which cannot be told 421', async () => {
    const { tls, http, served } = await keep({}, ['192.0.2.7'])
    for (const listener of [tls, http]) assert.equal(connect(listener, '192.0.2.7'), undefined)
    assert.equal(served.length, 2)
  })

  it('leaves proxies, trusted networks and bans in shadow to the hooks, and tells nothing of them', async () => {
    const byItself = { origin: 'jail' }
    const { plain, served } = await keep(
      { jail: { ...DEFAULTS.jail, mode: 'shadow' } },
      ...['192.0.2.99', '203.0.113.7'].map((ip): [string] => [ip]),
      ['192.0.2.7', byItself],
    )
    for (const ip of ['192.0.2.99', '203.0.113.7', '192.0.2.7']) assert.equal(connect(plain, ip), undefined)
    assert.equal(served.length, 3)
    assert.deepEqual(events, [])
  })

  it('defers strangers when the load is high, lets known clients in, and leaves waiting to the hooks', async () => {
    const { plain, served } = await keep({})
    level = 1.9
    assert.equal(connect(plain, '192.0.2.7'), undefined)
    level = 3
    assert.match(connect(plain, '192.0.2.7') ?? '', /^421 4\.3\.2 /)
    assert.equal(connect(plain, '192.0.2.7', 587), undefined)
    assert.equal(served.length, 2)
  })

  it('asks only the gates of plugins that are listed', async () => {
    const served: string[] = []
    const listener = listenerFor(false, served)
    const door = await open({}, ['192.0.2.7'])
    door.keep('overload', serverWith(listener))
    assert.equal(connect(listener, '192.0.2.7'), undefined)
    level = 3
    assert.match(connect(listener, '192.0.2.7') ?? '', /^421 4\.3\.2 /)
  })

  it('leaves a client that may be a partner in a banned network to the hooks, where the store is asked', async () => {
    const byItself = { origin: 'jail' }
    const { plain, served } = await keep({}, ['192.0.2.0/24', byItself], ['192.0.2.9', byItself], ['198.51.100.0/24'])
    assert.match(connect(plain, '192.0.2.7') ?? '', /^421 4\.7\.0 /)
    isProven = undefined
    assert.equal(connect(plain, '192.0.2.7'), undefined)
    assert.equal(served.length, 1)
    for (const ip of ['192.0.2.9', '198.51.100.7']) assert.match(connect(plain, ip) ?? '', /^421 4\.7\.0 /, ip)
    isProven = true
    assert.equal(connect(plain, '192.0.2.7'), undefined)
    assert.match(connect(plain, '192.0.2.9') ?? '', /^421 4\.7\.0 /, 'banned for what it did itself')
  })

  it('lets clients in when it fails, and says so', async () => {
    const { plain, served } = await keep({}, ['192.0.2.7'])
    isProxy = () => {
      throw new Error('no such file')
    }
    assert.equal(connect(plain, '192.0.2.8'), undefined)
    assert.equal(served.length, 1)
    assert.match(failures[0] ?? '', /no such file/)
  })

  it('takes a socket that is gone already for nobody', async () => {
    const { plain, served } = await keep({}, ['192.0.2.7'])
    assert.equal(connect(plain, undefined as unknown as string), undefined)
    assert.equal(served.length, 1)
  })
})
