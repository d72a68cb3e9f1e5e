import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import type { HarakaServer } from '../support/haraka'
import { assertAtRest, eventually, fates, readQueue } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { RedisServer } from '../support/redis-server'
import type { SinkSession } from '../support/smtp-sink'

/** Of each kind of damage. With them all, more files than Haraka has slots. */
const COPIES = 3
const SLOTS = 8
const QUICK = 'default: {message_rate: 1000/s, connections: 5, sessions: {idle: 1s}, retry: {first: 2s, longest: 2s}}\n'

/** What may have become of a queue file. A path, the file's whole content, and where its head ends. */
const DAMAGE: Record<string, (file: string, whole: Buffer, head: number) => void> = {
  'is empty': (file) => fs.writeFileSync(file, ''),
  'has two bytes': (file) => fs.writeFileSync(file, 'ab'),
  'is cut off in its head': (file, whole, head) => fs.writeFileSync(file, whole.subarray(0, head - 50)),
  'is cut off in the brackets of its head': (file, whole, head) =>
    fs.writeFileSync(file, overwrite(whole, head - 4, '   ')),
  'has a head that is no JSON': (file, whole) => fs.writeFileSync(file, overwrite(whole, 6, '!!!!')),
  'has a head without recipients': (file) => fs.writeFileSync(file, withHead('{"domain":"far.test"}')),
  'is zeros': (file, whole) => fs.writeFileSync(file, Buffer.alloc(whole.length)),
  'is noise': (file, whole) => fs.writeFileSync(file, Buffer.from(whole).fill('\xc3\x28', 'latin1')),
  'is a folder': (file) => fs.mkdirSync(file),
  'is a link to nowhere': (file) => fs.symlinkSync('/nonexistent/message', file),
  'is a link to itself': (file) => fs.symlinkSync(file, file),
}

function overwrite(whole: Buffer, at: number, text: string): Buffer {
  const bytes = Buffer.from(whole)
  bytes.write(text, at)
  return bytes
}

function withHead(head: string): Buffer {
  const bytes = Buffer.alloc(4 + head.length + 10)
  bytes.writeUInt32BE(head.length)
  bytes.write(`${head}Subject: x`, 4)
  return bytes
}

describe('the queue, when its files are damaged', function () {
  this.timeout(60_000)
  let world: MailWorld
  let redis: RedisServer

  beforeEach(async () => {
    world = await MailWorld.start()
    redis = await world.redis()
  })
  afterEach(() => world.end())

  const options = () => ({
    providers: QUICK,
    sluice: `store: ${redis.url}\n`,
    files: { 'outbound.ini': `local_mx_ok=true\nconcurrency_max=${SLOTS}\n` },
  })
  const queueOf = ({ dir }: HarakaServer) => path.join(dir, 'queue')

  /** A server that was killed with messages in its queue. */
  async function killedWith(messages: number): Promise<HarakaServer> {
    world.dns.serve('far.test', () => ({ rcode: 2 }))
    const server = await world.server(options())
    await world.send(server, messages)
    await server.stop('SIGKILL')
    return server
  }

  it('sends what is whole, whatever lies beside it, and removes nothing', async () => {
    const killed = await killedWith(20)
    const queue = queueOf(killed)
    const [whole] = readQueue(queue)
    const bytes = fs.readFileSync(path.join(queue, whole!.name))
    const damaged: string[] = []
    for (const [kind, damage] of Object.values(DAMAGE).entries()) {
      for (let copy = 0; copy < COPIES; copy++) {
        // Before all others in time, so that those come after.
        const name = whole!.name
          .replace(/^\d+_\d+_\d+/, `${1000 + kind}_${1000 + kind}_0`)
          .replace(/_([A-Za-z0-9]{6})_/, `_bad${kind}x${copy}_`)
        damaged.push(name)
        damage(path.join(queue, name), bytes, 4 + bytes.readUInt32BE(0))
      }
    }
    for (const name of ['README', 'core.4711', 'error.of-yesterday', '1_2_3'])
      fs.writeFileSync(path.join(queue, name), 'x')
    const far = await world.domain('far.test')
    const again = await world.server({ ...options(), dir: killed.dir })
    await far.until('all that are whole', () => far.messages.length >= 20)
    await eventually(() => assert.deepEqual([...new Set(fates(world, [again]))], ['1/0/0']))
    // More than there are slots, so that each must have come back.
    await world.send(again, 30)
    await far.until('those that came later', () => far.messages.length >= 50)
    const left = fs.readdirSync(queue)
    for (const name of [...damaged, 'README', 'core.4711', 'error.of-yesterday', '1_2_3']) {
      assert.ok(left.includes(name) || left.includes(`error.${name}`), `${name} is gone`)
    }
    assert.doesNotMatch(again.log, /CRIT.*(?:Error|at )\b.*\n.*at /)
    await assertAtRest(world, [again], redis.url)
  })

  it('goes on when a file is removed while its message is under way, and says what it knows', async () => {
    const near = await world.domain('near.test')
    const { servers } = world
    const removed: string[] = []
    const remove = (verb: string, { taken }: SinkSession) => {
      if (verb !== 'RCPT' || taken !== 1 || removed.length > 0) return undefined
      for (const { name } of readQueue(queueOf(servers[0]!))) {
        fs.unlinkSync(path.join(queueOf(servers[0]!), name))
        removed.push(name)
      }
      return undefined
    }
    const far = await world.domain('far.test', { misdeed: remove, replyMs: 5 })
    const server = await world.server({ ...options(), providers: QUICK.replace('connections: 5', 'connections: 1') })
    await world.send(server, 1)
    await far.until('the first', () => far.messages.length === 1)
    await world.emptied(server)
    await world.send(server, 1)
    await eventually(() => assert.equal(removed.length, 1))
    await near.until('a report', () => near.messages.length === 1)
    await world.send(server, 3)
    await far.until('the others', () => far.messages.length === 4)
    await world.emptied(server)
    await assertAtRest(world, [server], redis.url)
  })

  it('goes on when a file is removed while its message is deferred', async () => {
    const near = await world.domain('near.test')
    let refusals = 0
    const far = await world.domain('far.test', {
      misdeed: (verb) => (verb === 'MAIL' && refusals++ === 0 ? '451 4.3.0 later' : undefined),
    })
    const server = await world.server(options())
    await world.send(server, 1)
    await eventually(() =>
      assert.deepEqual(
        readQueue(queueOf(server)).map(({ attempts }) => attempts),
        [1],
      ),
    )
    for (const { name } of readQueue(queueOf(server))) fs.unlinkSync(path.join(queueOf(server), name))
    await server.waitForLog(/is gone: it was delivered as another copy, or removed by hand/)
    await world.send(server, 3)
    await far.until('the others', () => far.messages.length === 3)
    assert.equal(near.messages.length, 0)
    await world.emptied(server)
    await assertAtRest(world, [server], redis.url)
  })

  it('sends what is deferred when it is flushed, once, and what waits not twice', async () => {
    let refusals = 0
    const far = await world.domain('far.test', {
      misdeed: (verb) => (verb === 'MAIL' && refusals++ < 10 ? '451 4.3.0 later' : undefined),
    })
    const flusher = `exports.hook_mail = function (next, connection, [from]) {
  const { flush_queue: flush } = this.haraka_require('outbound')
  if (from.user === 'flush') for (const domain of [undefined, 'far.test', undefined]) flush(domain)
  next()
}\n`
    const server = await world.server({
      ...options(),
      plugins: ['flusher'],
      providers: QUICK.replace('first: 2s, longest: 2s', 'first: 1h').replace('1000/s', '20/s'),
      files: { ...options().files, '../plugins/flusher.js': flusher },
    })
    await world.send(server, 10)
    await server.waitForLog(/(?:Temp failing[^]*?){10}/)
    await world.send(server, 20)
    await world.send(server, 1, { from: 'flush@near.test' })
    await far.until('all', () => far.messages.length >= 31)
    await world.emptied(server)
    assert.deepEqual([...new Set(fates(world, [server]))], ['1/0/0'])
    await assertAtRest(world, [server], redis.url)
  })
})
