import assert from 'node:assert/strict'
import { type Policy, compilePolicy } from '../../../src/config/compile'
import { DEFAULTS } from '../../../src/config/defaults'
import { type ConfigInput, configSchema } from '../../../src/config/schema'
import type { HealthChange } from '../../../src/dns/zone-health'
import { Lookups } from '../../../src/haraka/lookups'
import { type Session, Sessions } from '../../../src/haraka/session'
import type { Connection } from '../../../src/haraka/types'
import { DnsList } from '../../support/dns-list'
import { DnsServer } from '../../support/dns-server'

describe('lookups', () => {
  let dns: DnsServer
  let list: DnsList
  let lookups: Lookups
  let changes: HealthChange[]
  const sessions = new Sessions((address) => address.bytes[0] === 198)

  function policy(dnsbl: Partial<ConfigInput['dnsbl']> = {}, rdns: Partial<ConfigInput['rdns']> = {}): Policy {
    const config = configSchema.parse({
      ...{ ...DEFAULTS, limits: {}, dns: { servers: [dns.address], timeout: '500ms' } },
      dnsbl: { ...DEFAULTS.dnsbl, zones: [{ zone: 'bad.test', weight: 5 }], ...dnsbl },
      rdns: { ...DEFAULTS.rdns, ...rdns },
    })
    const compiled = compilePolicy(config, () => undefined)
    assert.ok('policy' in compiled)
    return compiled.policy
  }

  function open(of = policy()): void {
    changes = []
    lookups = new Lookups(
      of,
      (change) => void changes.push(change),
      (error) => assert.fail(String(error)),
    )
  }

  function connect(ip: string, more: Partial<Connection> = {}): { connection: Connection; session: Session } {
    const connection = {
      ...{ remote: { ip }, local: { host: 'mx.local.test' }, hello: { host: null }, relaying: false },
      ...{ results: { get: () => undefined }, msg_count: { accept: 0, tempfail: 0, reject: 0 }, ...more },
    } as unknown as Connection
    return { connection, session: sessions.of(connection) }
  }

  const heard = async ({ session }: { session: Session }) => {
    await Promise.all(session.pending)
    return session.signals.map(({ source, name, weight }) => `${source} ${name} ${weight}`)
  }

  beforeEach(async () => {
    dns = await DnsServer.start()
    list = new DnsList(dns, 'bad.test').add('7.2.0.192', '127.0.0.2', '127.0.0.3')
    open()
  })
  afterEach(async () => {
    lookups.close()
    await dns.close()
  })

  const askAbout = ({ connection, session }: ReturnType<typeof connect>) =>
    lookups.askLists(connection, session, 'client', session.client.address)

  it('turn listings into signals', async () => {
    const one = connect('192.0.2.7')
    askAbout(one)
    askAbout(one)
    assert.match((await heard(one)).join(), /^dnsbl bad\.test=127\.0\.0\.[23]\+127\.0\.0\.[23] 5$/)
    assert.equal(one.session.pending.length, 1, 'asked once')
    assert.equal(lookups.counts.get('found')! > 0, true)
  })

  it('ask nothing of the trusted, of who may relay, and when off', async () => {
    for (const one of [connect('198.51.100.7'), connect('192.0.2.7', { relaying: true })]) {
      askAbout(one)
      lookups.askReverse(one.connection, one.session)
      assert.equal(one.session.pending.length, 0)
    }
    open(policy({ mode: 'off' }, { mode: 'off' }))
    const one = connect('192.0.2.7')
    askAbout(one)
    lookups.askReverse(one.connection, one.session)
    assert.equal(one.session.pending.length, 0)
    assert.deepEqual(dns.questions, [])
  })

  it('forget what was said of an address when the session shows another', async () => {
    const one = connect('192.0.2.7')
    askAbout(one)
    await heard(one)
    ;(one.connection.remote as { ip: string }).ip = '192.0.2.8'
    sessions.of(one.connection)
    askAbout(one)
    assert.deepEqual(await heard(one), [])
  })

  it('take no late answer for an address that is gone', async () => {
    const one = connect('192.0.2.7')
    askAbout(one)
    ;(one.connection.remote as { ip: string }).ip = '192.0.2.8'
    sessions.of(one.connection)
    askAbout(one)
    assert.deepEqual(await heard(one), [])
  })

  it('make a bounded number of questions for a session', () => {
    open(policy({ zones: [{ zone: 'bad.test', kind: 'domain' }] }))
    const { connection, session } = connect('192.0.2.9')
    for (let index = 0; index < 100; index++)
      lookups.askLists(connection, session, 'helo', `h${index}.example${index}.com`)
    assert.equal(session.pending.length, 20)
  })

  it('ask the lists of a new policy, and leave those alone that stay', async () => {
    lookups.start()
    askAbout(connect('192.0.2.7'))
    new DnsList(dns, 'other.test')
    lookups.adopt(policy({ defer: 3 }))
    assert.equal(dns.count('.other.test'), 0)
    lookups.adopt(policy({ zones: [{ zone: 'other.test' }] }))
    const one = connect('192.0.2.7')
    askAbout(one)
    assert.deepEqual(await heard(one), [])
    assert.deepEqual([...lookups.zones], [['other.test', 1]])
  })

  it('tell of a list that is ill', async () => {
    list.mood = 'gone'
    const one = connect('192.0.2.7')
    askAbout(one)
    assert.deepEqual(await heard(one), [])
    assert.deepEqual([changes[0]!.label, changes[0]!.to], ['bad.test', 'dead'])
    assert.deepEqual([...lookups.zones], [['bad.test', 0]])
  })

  it('say of a listed client that a list of the good was not heard', async () => {
    new DnsList(dns, 'good.test').mood = 'servfail'
    open(
      policy({
        zones: [
          { zone: 'bad.test', weight: 5 },
          { zone: 'good.test', weight: -5 },
        ],
      }),
    )
    const [listed, unlisted] = [connect('192.0.2.7'), connect('192.0.2.8')]
    askAbout(listed)
    askAbout(unlisted)
    assert.deepEqual((await heard(listed))[1], 'dnsbl good.test=silent 0')
    assert.deepEqual(await heard(unlisted), [])
  })

  it('judge the names and the HELO of a client', async () => {
    const one = connect('192.0.2.7', { hello: { host: 'localhost', verb: 'EHLO' } })
    lookups.askReverse(one.connection, one.session)
    assert.deepEqual(await heard(one), ['rdns no_ptr 2'])
    lookups.checkHelo(one.connection, one.session)
    assert.deepEqual(await heard(one), ['rdns no_ptr 2', 'rdns helo_bare 1'])
  })

  it('give no points of no weight, but say that there is no name', async () => {
    const weights = { ...DEFAULTS.rdns.weights, missing: 0, helo_bare: 0 }
    open(policy({}, { weights }))
    const one = connect('192.0.2.7', { hello: { host: 'localhost', verb: 'EHLO' } })
    lookups.askReverse(one.connection, one.session)
    lookups.checkHelo(one.connection, one.session)
    assert.deepEqual(await heard(one), ['rdns no_ptr 0'])
  })
})
