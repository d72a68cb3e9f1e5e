import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import path from 'node:path'
import { MailWorld, taken } from '../support/mail-world'

describe('mail on its way out, end to end', function () {
  this.timeout(60_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  /** Of what a host took, the first not counted: at least so many messages a second, and at most, if the first was late. */
  const ratesOf = (times: readonly number[], lateMs = 200) => {
    const tookMs = times.at(-1)! - times[0]!
    return [((times.length - 1) * 1000) / tookMs, ((times.length - 1) * 1000) / (tookMs + lateMs)] as const
  }

  it('goes at the rate of its provider, and keeps no other waiting', async () => {
    const slow = await world.domain('slow.test')
    const fast = await world.domain('fast.test')
    const server = await world.server({
      providers: 'providers: {slow: {match: {mx_suffix: [slow.test]}, message_rate: 5/s}}\n',
    })
    const began = Date.now()
    await world.send(server, 30, { to: ['bob@slow.test'] })
    await world.send(server, 40, { to: ['bob@fast.test'] })
    await fast.until('all fast ones', () => fast.messages.length === 40)
    assert.ok(slow.messages.length < 30, 'slow ones, which were sent before, still wait')
    await slow.until('all slow ones', () => slow.messages.length === 30)
    const [most, least] = ratesOf(slow.messages.map(({ at }) => at))
    assert.ok(most > 4.75 && least < 5.05, `${most} or ${least} a second, in ${Date.now() - began} ms`)
    await world.settled(slow, fast)
  })

  it('has no more connections than its provider bears', async () => {
    const far = await world.domain('far.test', { replyMs: 10 })
    const server = await world.server({
      providers: 'providers: {far: {match: {mx_suffix: [far.test]}, connections: 3}}\n',
    })
    await world.send(server, 60)
    await far.until('all', () => far.messages.length === 60)
    assert.equal(far.mostOpen, 3)
    await world.emptied(server)
  })

  it('comes back by the retries of its provider, however many Haraka would make', async () => {
    let refusals = 0
    const misdeed = (verb: string) =>
      verb === 'RCPT' && refusals++ < 4 ? '451 4.7.1 try again in 1 second' : undefined
    const far = await world.domain('far.test', { misdeed })
    const server = await world.server({ files: { 'outbound.ini': 'local_mx_ok=true\ntemp_fail_intervals=none\n' } })
    await world.send(server, 1)
    await far.until('it', () => far.messages.length === 1, 30_000)
    assert.equal(refusals, 5)
    await world.emptied(server)
  })

  it('goes on where it was after a crash, in order', async () => {
    const far = await world.domain('far.test')
    const providers = 'providers: {far: {match: {mx_suffix: [far.test]}, message_rate: 10/s}}\n'
    const server = await world.server({ providers })
    await world.send(server, 30)
    await far.until('some', () => far.messages.length >= 5)
    await server.stop('SIGKILL')
    const again = await world.server({ providers, dir: server.dir })
    // The dead process may have held all connections of the path: they are free after 20 s.
    await far.until('all', () => far.messages.length >= 30, 40_000)
    await world.emptied(again)
    // What was on its way when the process died may have been taken without its knowing.
    const ids = far.messages.map(({ id }) => id)
    assert.deepEqual([...new Set(ids)], world.sent)
    assert.ok(ids.length <= 32, `${ids.length} messages`)
  })

  it('is bounced at once where its domain takes no mail', async () => {
    const near = await world.domain('near.test')
    world.mx('null.test', '.')
    const server = await world.server()
    await world.send(server, 1, { to: ['bob@null.test'] })
    await near.until('the bounce', () => near.messages.length === 1)
    assert.match(near.messages[0]!.text, /NULL MX|takes no mail/i)
    await world.emptied(server)
  })

  it('waits while DNS fails', async () => {
    const far = await world.domain('far.test')
    let isIll = true
    world.dns.serve('ill.test', ({ type }) => {
      if (isIll) return { rcode: 2 }
      const data = { preference: 10, exchange: 'mx.far.test' }
      return { answers: type === 'MX' ? [{ type: 'MX', name: 'ill.test', data, ttl: 300 }] : [] }
    })
    const server = await world.server()
    await world.send(server, 1, { to: ['bob@ill.test'] })
    await server.waitForLog(/Temp failing/)
    isIll = false
    await far.until('it', () => far.messages.length === 1)
    await world.emptied(server)
  })

  it('is made several messages where it has more recipients than the provider takes', async () => {
    const far = await world.domain('far.test')
    const server = await world.server({
      providers: 'providers: {far: {match: {mx_suffix: [far.test]}, recipients: 10}}\n',
    })
    const to = Array.from({ length: 25 }, (_, number) => `user${number}@far.test`)
    await world.send(server, 1, { to })
    await far.until('all parts', () => far.messages.length === 3)
    await world.emptied(server)
    assert.deepEqual(far.messages.map(({ recipients }) => recipients.length).sort(), [10, 10, 5])
    assert.equal(new Set(far.messages.flatMap(({ recipients }) => recipients)).size, 25)
  })

  it('is bounced where it is larger than the provider takes', async () => {
    const near = await world.domain('near.test')
    const far = await world.domain('far.test')
    const server = await world.server({
      providers: 'providers: {far: {match: {mx_suffix: [far.test]}, size: 64kB}}\n',
    })
    await world.send(server, 1, { body: `${'x'.repeat(70)}\r\n`.repeat(1000) })
    await near.until('the bounce', () => near.messages.length === 1)
    assert.match(near.messages[0]!.text, /5\.3\.4/)
    assert.equal(far.messages.length, 0)
    await world.emptied(server)
  })

  it('is delivered once when the queue is flushed while it waits, and not at all when its file is removed', async () => {
    const far = await world.domain('far.test')
    const server = await world.server({
      plugins: ['flusher'],
      providers: 'providers: {far: {match: {mx_suffix: [far.test]}, message_rate: 2/s}}\n',
      files: { '../plugins/flusher.js': FLUSHER },
    })
    await world.send(server, 6)
    await far.until('the second', () => far.messages.length === 2)
    const removed = world.queued(server).sort().at(-1)!
    unlinkSync(path.join(server.dir, 'queue', removed))
    await world.send(server, 1, { to: ['flush@far.test'] })
    await server.waitForLog(/is under way already/)
    await server.waitForLog(/is gone: it was delivered as another copy, or removed by hand/)
    await far.until('all', () => far.messages.length >= 6)
    await world.emptied(server)
    assert.deepEqual(taken(far), world.sent.filter((_, index) => index !== 5).sort())
  })
})

/** Flushes the queue of a domain when somebody writes to flush@. */
const FLUSHER = `exports.hook_queue_outbound = function (next, connection) {
  if (connection.transaction.rcpt_to[0].user === 'flush') this.haraka_require('outbound').flush_queue('far.test')
  next()
}
`
