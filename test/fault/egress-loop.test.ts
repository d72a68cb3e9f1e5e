import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { assertAtRest, eventually, fates } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { RedisServer } from '../support/redis-server'

/** An address of its own, where nobody else of these tests listens. */
const OURSELVES = '127.3.250.1'
const PROVIDERS =
  'default: {message_rate: 1000/s, connections: 5, sessions: {idle: 1s}, retry: {first: 1s, longest: 1s}}\n'

describe('mail for a domain whose host is this server itself', function () {
  this.timeout(60_000)
  let world: MailWorld
  let redis: RedisServer

  beforeEach(async () => {
    world = await MailWorld.start()
    redis = await world.redis()
  })
  afterEach(() => world.end())

  it('goes round until it has been here too often, and is sent back once', async () => {
    const near = await world.domain('near.test')
    world.mx('loop.test', 'mx.loop.test', OURSELVES)
    const server = await world.server({
      providers: PROVIDERS,
      sluice: `store: ${redis.url}\n`,
      files: { relay_acl_allow: '127.0.0.0/8\n' },
    })
    const back = net.createServer((from) => {
      const to = net.connect(server.port, '127.0.0.1')
      from.pipe(to).pipe(from)
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const)
        one.on('error', () => other.destroy())
    })
    back.listen(25, OURSELVES)
    await once(back, 'listening')
    const ids = await world.send(server, 2, { to: ['bob@loop.test'] })
    await near.until('the reports', () => near.messages.length >= ids.length, 40_000)
    await eventually(() => assert.deepEqual(fates(world, [server], ids), ['0/1/0', '0/1/0']))
    await world.emptied(server)
    await assertAtRest(world, [server], redis.url)
    back.close()
  })

  it('waits, and nothing is connected to, where hosts of this machine are not to be used', async () => {
    const near = await world.domain('near.test')
    const server = await world.server({
      providers: PROVIDERS,
      sluice: `store: ${redis.url}\n`,
      files: { 'outbound.ini': 'local_mx_ok=false\n' },
    })
    const ids = await world.send(server, 3, { to: ['bob@near.test'] })
    await server.waitForLog(/(?:is local, skipping[^]*?){6}/)
    assert.equal(near.connections, 0)
    await server.waitForLog(
      /delivery=deferred .* enhanced=4\.4\.6 reason="Every mail server of near\.test is this machine/,
    )
    assert.deepEqual(fates(world, [server], ids), ['0/0/1', '0/0/1', '0/0/1'])
    await assertAtRest(world, [server], redis.url)
  })
})
