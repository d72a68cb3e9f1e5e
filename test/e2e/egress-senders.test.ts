import assert from 'node:assert/strict'
import { MailWorld } from '../support/mail-world'
import type { HarakaServer } from '../support/haraka'
import type { SmtpSink } from '../support/smtp-sink'
import { sluice } from '../unit/cli/command'

const SOURCES = `
  sources:
    one: {bind: 127.0.0.11, helo: one.near.test}
    two: {bind: 127.0.0.12, helo: two.near.test}
    three: {bind: 127.0.0.13, helo: three.near.test}
`
const farAt = (rate: string) => `providers: {far: {match: {mx_suffix: [far.test]}, message_rate: ${rate}}}\n`

describe('whom mail is sent by, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  it('is the source of its account, else of its tenant, else of its class, else the default', async () => {
    far = await world.domain('far.test')
    const server = await world.server({
      sluice: `tenants: {example.com: acme}\negress:${SOURCES}
  classes: {marketing: {pool: three}}
  tenants: {acme: {pool: two}}
  accounts: {shop@example.com: {pool: one}}
`,
    })
    const headers = 'X-Sluice-Class: marketing\r\n'
    await world.send(server, 1, { account: 'shop@example.com', headers })
    await world.send(server, 1, { account: 'ann@example.com', headers })
    await world.send(server, 1, { account: 'bob@example.org', headers })
    await world.send(server, 1, { account: 'bob@example.org' })
    await world.settled(far)
    const sorted = [...far.messages].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }))
    assert.deepEqual(
      sorted.map(({ helo }) => helo),
      ['one.near.test', 'two.near.test', 'three.near.test', 'mx.local.test'],
    )
    assert.deepEqual(
      sorted.slice(0, 3).map(({ client }) => client),
      ['127.0.0.11', '127.0.0.12', '127.0.0.13'],
    )
  })

  it('is each source of a pool by its weight, and the same one at each attempt', async () => {
    const clients = new Map<string, string[]>()
    far = await world.domain('far.test', {
      misdeed: (verb, { recipient, client }) => {
        if (verb !== 'RCPT') return undefined
        const seen = clients.get(recipient) ?? []
        clients.set(recipient, [...seen, client])
        return seen.length === 0 ? '451 4.3.0 later' : undefined
      },
    })
    const server = await world.server({
      sluice: `egress:${SOURCES}\n  pool: both\n  pools: {both: {sources: {one: 3, two: 1}}}\n`,
    })
    for (let user = 0; user < 60; user++) await world.send(server, 1, { to: [`user${user}@far.test`] })
    await world.settled(far)
    for (const [recipient, seen] of clients) {
      assert.equal(seen.length, 2, recipient)
      assert.equal(seen[0], seen[1], recipient)
    }
    const one = [...clients.values()].filter(([client]) => client === '127.0.0.11').length
    // Three quarters of 60; less likely than one in 10,000 beyond.
    assert.ok(one >= 31 && one <= 57, `${one} of 60 by the first`)
    assert.deepEqual(new Set(far.messages.map(({ client }) => client)), new Set(['127.0.0.11', '127.0.0.12']))
  })

  it('is the address of its source for hosts that a plugin names too, and none where the source has none', async () => {
    far = await world.domain('far.test')
    const servers = `getDnsResolver().setServers(['${world.dns.address}'])`
    const route = "hook_get_mx = (next, item, domain) => next(OK, domain === 'far.test' ? 'mx.far.test' : '[::1]:25')"
    const server = await world.server({
      sluice: 'egress: {sources: {one: {bind: 127.0.0.11}}, pool: one}\n',
      plugins: ['by_name'],
      files: { '../plugins/by_name.js': `require('haraka-net-utils/lib/dns_config').${servers}\nexports.${route}\n` },
    })
    await world.send(server, 2)
    await world.settled(far)
    assert.deepEqual([...new Set(far.messages.map(({ client }) => client))], ['127.0.0.11'])
    await world.send(server, 1, { to: ['bob@six.test'] })
    await server.waitForLog(/domain=six\.test .* reason="None of the mail servers of six\.test has an address/)
  })

  it('is another source of the pool as soon as the path of one is suspended, also for mail that waits', async () => {
    far = await world.domain('far.test')
    const server = await world.server({
      providers: farAt('4/s'),
      sluice: `store: lmdb:data/sluice\negress:${SOURCES}\n  pool: both\n  pools: {both: {sources: [one, two]}}\n`,
    })
    await world.send(server, 40)
    await far.until('some of both', () => new Set(far.messages.map(({ client }) => client)).size === 2)
    const { code, stderr } = await sluice('egress', 'suspend', 'one/far', '--for', '1h', '--dir', server.dir)
    assert.equal(code, 0, stderr)
    const orderedAt = Date.now()
    await world.settled(far)
    const late = far.messages.filter(({ at }) => at > orderedAt + 2000)
    assert.ok(late.length > 10, `${late.length} after the suspension`)
    assert.deepEqual(new Set(late.map(({ client }) => client)), new Set(['127.0.0.12']))
    await world.send(server, 4)
    await world.settled(far)
    assert.deepEqual(new Set(far.messages.slice(-4).map(({ client }) => client)), new Set(['127.0.0.12']))
  })
})

describe('the class of mail, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld
  let far: SmtpSink
  let server: HarakaServer

  const TRANSACTIONAL = 'X-Sluice-Class: transactional\r\n'
  const MARKETING = 'X-Sluice-Class: marketing\r\n'

  async function start(rate: string): Promise<void> {
    world = await MailWorld.start()
    far = await world.domain('far.test')
    server = await world.server({
      plugins: ['open_relay'],
      providers: farAt(rate),
      files: { '../plugins/open_relay.js': OPEN_RELAY },
    })
  }
  afterEach(() => world.end())

  const order = () => far.messages.map(({ id }) => id)

  it('is what an account says in the header, which is removed; a stranger says it for nothing', async () => {
    await start('5/s')
    const news = await world.send(server, 10, { account: 'bob@example.org', headers: MARKETING })
    const plain = await world.send(server, 6)
    const [stranger] = await world.send(server, 1, { client: '192.0.2.98', headers: TRANSACTIONAL })
    const [login] = await world.send(server, 1, { account: 'eve@example.net', headers: TRANSACTIONAL })
    await world.settled(far)
    const places = order()
    assert.ok(places.indexOf(login!) < places.indexOf(plain.at(-1)!), places.join(' '))
    assert.ok(places.indexOf(plain.at(-1)!) < places.indexOf(stranger!), places.join(' '))
    assert.ok(places.indexOf(stranger!) < places.indexOf(news.at(-1)!), places.join(' '))
    for (const { text } of far.messages) assert.doesNotMatch(text, /X-Sluice-Class/i)
  })

  it('lets a login code pass a newsletter that waits, and starves neither', async () => {
    await start('10/s')
    const news = await world.send(server, 40, { account: 'bob@example.org', headers: MARKETING })
    const before = far.messages.length
    const [code] = await world.send(server, 1, { account: 'eve@example.net', headers: TRANSACTIONAL })
    await far.until('the code', () => order().includes(code!))
    // Slots of up to a second are taken already, and are for whoever is next when they begin.
    assert.ok(order().indexOf(code!) - before <= 4, `${order().indexOf(code!) - before} went before it`)
    const codes = await world.send(server, 60, { account: 'eve@example.net', headers: TRANSACTIONAL })
    const begun = far.messages.length
    await far.until('the codes', () => codes.every((id) => order().includes(id)), 30_000)
    const meanwhile = order()
      .slice(begun, order().indexOf(codes.at(-1)!))
      .filter((id) => news.includes(id))
    assert.ok(meanwhile.length >= 3 && meanwhile.length <= 10, `${meanwhile.length} of the newsletter meanwhile`)
    await world.settled(far)
  })

  it('lets tenants take turns', async () => {
    await start('10/s')
    const long = await world.send(server, 30, { account: 'bob@example.org' })
    const short = await world.send(server, 5, { account: 'eve@example.net' })
    const begun = far.messages.length
    await world.settled(far)
    const last = order().indexOf(short.at(-1)!)
    const between = order()
      .slice(begun, last)
      .filter((id) => long.includes(id))
    assert.ok(between.length <= 7, `${between.length} of the long queue went before five of the other`)
  })
})

/** Lets one client relay as relay_dest_domains would: nobody has said that it is ours. */
const OPEN_RELAY = `exports.hook_rcpt = (next, connection) => {
  if (connection.remote.ip !== '192.0.2.98') return next()
  connection.relaying = true
  next(OK)
}
`
