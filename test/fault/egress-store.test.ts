import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { assertAtRest, eventually, fates } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { RedisServer } from '../support/redis-server'

const PROVIDERS =
  'default: {message_rate: 40/s, connections: 3, sessions: {idle: 1s}, retry: {first: 1s, longest: 1s}}\n'

describe('mail on its way out while its store or its figures change', function () {
  this.timeout(60_000)
  let world: MailWorld
  let redis: RedisServer

  beforeEach(async () => {
    world = await MailWorld.start()
    redis = await world.redis()
  })
  afterEach(() => world.end())

  const options = () => ({ providers: PROVIDERS, sluice: `store: ${redis.url}\n` })

  const outages: Record<string, () => Promise<void>> = {
    'is killed and comes back empty': async () => {
      await redis.kill()
      await world.sinks[0]!.until('half', () => world.sinks[0]!.messages.length >= 80, 30_000)
      await redis.start()
    },
    'stands still for a while': async () => {
      redis.pause()
      await world.sinks[0]!.until('half', () => world.sinks[0]!.messages.length >= 80, 30_000)
      redis.resume()
    },
  }
  for (const [what, outage] of Object.entries(outages)) {
    it(`goes on when Redis ${what}, once each, and no place is lost`, async () => {
      const far = await world.domain('far.test', { replyMs: 5 })
      const server = await world.server(options())
      await world.send(server, 150)
      await far.until('some', () => far.messages.length >= 20)
      await outage()
      await far.until('all', () => far.messages.length >= 150, 30_000)
      await world.emptied(server)
      assert.deepEqual([...new Set(fates(world, [server]))], ['1/0/0'])
      // What holds places in the lost store and what is given by our own share of it add up.
      assert.ok(far.mostOpen <= 6, `${far.mostOpen} connections`)
      await assertAtRest(world, [server], redis.url)
    })
  }

  it('goes by other figures as soon as they are written, and by the last good ones when they are wrong', async () => {
    const far = await world.domain('far.test', { replyMs: 5 })
    const server = await world.server({ ...options(), providers: PROVIDERS.replace('40/s', '5/s') })
    const write = (text: string) => writeFileSync(path.join(server.dir, 'config/sluice/providers.yaml'), text)
    await world.send(server, 120)
    await far.until('some', () => far.messages.length >= 5)
    write('default: {message_rate: "many", connections: -1\n')
    await server.waitForLog(/config refused/)
    const before = far.messages.length
    await far.until('more at the old rate', () => far.messages.length >= before + 5)
    assert.ok(far.messages.length < 60, `${far.messages.length} at 5 a second`)
    const began = Date.now()
    write(PROVIDERS.replace('40/s', '1000/s').replace('connections: 3', 'connections: 1'))
    await far.until('all', () => far.messages.length >= 120)
    assert.ok(Date.now() - began < 12_000, 'it took as long as at the old rate')
    await world.emptied(server)
    assert.deepEqual([...new Set(fates(world, [server]))], ['1/0/0'])
    await eventually(() => assert.equal(far.open, 0))
    await assertAtRest(world, [server], redis.url)
  })
})
