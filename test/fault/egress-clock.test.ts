import assert from 'node:assert/strict'
import { FalseClock } from '../support/false-clock'
import { assertAtRest, eventually, fates } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'

const PROVIDERS =
  'default: {message_rate: 20/s, connections: 2, sessions: {idle: 1s}, retry: {first: 2s, longest: 2s}}\n'
const HOUR = 3600

describe('mail on its way out when the clock is put', function () {
  this.timeout(60_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  for (const [what, seconds] of [
    ['forward an hour', HOUR],
    ['back an hour', -HOUR],
  ] as const) {
    it(`${what} goes on at its rate, and what is deferred comes again`, async () => {
      const clock = new FalseClock()
      let refusals = 0
      const far = await world.domain('far.test')
      const late = await world.domain('late.test', {
        misdeed: (verb) => (verb === 'MAIL' && refusals++ < 3 ? '451 4.3.0 later' : undefined),
      })
      const server = await world.server({ env: clock.env, providers: PROVIDERS, sluice: 'store: lmdb:data/sluice\n' })
      const deferred = await world.send(server, 3, { to: ['bob@late.test'] })
      await late.until('the refusals', () => refusals === 3)
      await world.send(server, 80)
      await far.until('some', () => far.messages.length >= 20)
      clock.shift(seconds)
      const began = performance.now()
      await far.until('all', () => far.messages.length === 80)
      assert.ok(performance.now() - began > 1500, 'it went too fast')
      // Haraka's own timers go by this clock: put back, what is deferred waits, and is due when the clock is right again.
      if (seconds < 0) {
        assert.deepEqual(fates(world, [server], deferred), ['0/0/1', '0/0/1', '0/0/1'])
        clock.shift(0)
      }
      await late.until('what was deferred', () => late.messages.length === 3)
      await world.emptied(server)
      assert.deepEqual([...new Set(fates(world, [server]))], ['1/0/0'])
      await eventually(() => assert.equal(far.open + late.open, 0))
      await assertAtRest(world, [server], `lmdb:${server.dir}/data/sluice`)
    })
  }
})
