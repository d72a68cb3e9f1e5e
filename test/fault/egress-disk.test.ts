import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { HarakaServer } from '../support/haraka'
import { assertAtRest, eventually, fates } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import { SmtpClient } from '../support/smtp-client'

const PROVIDERS =
  'default: {message_rate: 1000/s, connections: 2, sessions: {idle: 1s}, retry: {first: 1s, longest: 1s}}\n'
/** Tries all that is deferred at once when somebody writes from flush@. */
const FLUSHER = `exports.hook_mail = function (next, connection, [from]) {
  if (from.user === 'flush') this.haraka_require('outbound').flush_queue()
  next()
}\n`

describe('mail on its way out when a disk is full', function () {
  this.timeout(60_000)
  let world: MailWorld
  let dir: string

  beforeEach(async () => {
    world = await MailWorld.start()
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-haraka-'))
  })
  afterEach(() => world.end())

  /** Runs a server with a small disk of its own at a folder of its directory, which nobody else sees. */
  function onSmallDisk(folder: string, size: string): readonly string[] {
    const place = path.join(dir, folder)
    fs.mkdirSync(place, { recursive: true })
    return ['unshare', '--mount', 'sh', '-c', `mount -t tmpfs -o size=${size} tmpfs ${place} && exec "$0" "$@"`]
  }
  /** The folder as the server sees it. */
  const seenBy = ({ child }: HarakaServer, folder: string) => path.join(`/proc/${child.pid}/root`, dir, folder)

  /** Once more for what was given back since. */
  function fill(folder: string): () => void {
    const file = path.join(folder, 'README')
    const descriptor = fs.openSync(file, 'a')
    try {
      for (;;) fs.writeSync(descriptor, Buffer.alloc(4096))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    } finally {
      fs.closeSync(descriptor)
    }
    return () => fs.rmSync(file)
  }

  it('stays when the report of its failure cannot be queued, and takes no new mail', async () => {
    const redis = await world.redis()
    const near = await world.domain('near.test')
    let isIll = true
    const far = await world.domain('far.test', {
      misdeed: (verb) => (verb !== 'RCPT' ? undefined : isIll ? '451 4.3.0 later' : '550 5.1.1 nobody'),
    })
    const under = onSmallDisk('queue', '512k')
    const server = await world.server({
      ...{ dir, under, providers: PROVIDERS, sluice: `store: ${redis.url}\n` },
      plugins: ['flusher'],
      files: { '../plugins/flusher.js': FLUSHER },
    })
    const ids = await world.send(server, 3)
    await server.waitForLog(/(?:Temp failing[^]*?){3}/)
    const queue = seenBy(server, 'queue')
    const free = fill(queue)
    isIll = false
    await server.waitForLog(/(?:the report to its sender could not be queued[^]*?){3}/)
    await eventually(() => assert.equal(far.open, 0))
    const kept = fs.readdirSync(queue).filter((name) => name.split('_').length === 7)
    assert.equal(kept.length, 3, kept.join())
    for (const name of kept) assert.ok(Number(name.split('_')[1]) > Date.now(), `${name} has no due time`)
    // Files that were begun for the reports have gone since.
    fill(queue)
    const client = await SmtpClient.greet(server.port, '127.0.0.99')
    const refused = await client.send('ann@near.test', 'bob@far.test', 'Subject: x\r\n\r\nhello')
    await client.quit()
    // Haraka's own words; that it is refused is what counts.
    assert.match(refused.text, /^[45]/)
    assert.equal(near.messages.length, 0)
    free()
    await world.send(server, 1, { from: 'flush@near.test', to: ['eve@near.test'] })
    await near.until('the reports, and a further message', () => near.messages.length === 4)
    assert.deepEqual(fates(world, [server], ids), ['0/1/0', '0/1/0', '0/1/0'])
    await world.emptied(server)
    await assertAtRest(world, [server], redis.url)
  })

  it('keeps those whom a host puts off while it takes the message for others, when they cannot be queued apart', async () => {
    const near = await world.domain('near.test')
    let state: 'ill' | 'half' | 'well' = 'ill'
    const far = await world.domain('far.test', {
      misdeed: (verb, { recipient }) =>
        verb !== 'RCPT' || state === 'well' || (state === 'half' && recipient.startsWith('ann@'))
          ? undefined
          : '451 4.3.0 later',
    })
    const under = onSmallDisk('queue', '512k')
    const server = await world.server({ dir, under, providers: PROVIDERS })
    await world.send(server, 1, { to: ['ann@far.test', 'bob@far.test'] })
    await server.waitForLog(/Temp failing/)
    const queue = seenBy(server, 'queue')
    const free = fill(queue)
    state = 'half'
    await server.waitForLog(/queueing 1 of 2 recipients of \S+ apart \(again in 2 s\) failed: .*ENOSPC/)
    assert.equal(far.messages.length, 1)
    assert.equal(fs.readdirSync(queue).filter((name) => name !== 'README').length, 1, 'no half-written files')
    free()
    await server.waitForLog(/1 of 2 recipients of \S+ are queued apart now/)
    state = 'well'
    await far.until('the other', () => far.messages.length === 2)
    assert.deepEqual(
      far.messages.map(({ recipients }) => recipients),
      [['ann@far.test'], ['bob@far.test']],
    )
    await world.emptied(server)
    assert.equal(near.messages.length, 0, 'nothing is sent back')
  })

  it('goes on when the store has no room', async () => {
    const far = await world.domain('far.test', { replyMs: 2 })
    const under = onSmallDisk('data', '40m')
    const server = await world.server({ dir, under, providers: PROVIDERS, sluice: `store: lmdb:data/sluice\n` })
    await world.send(server, 5)
    await far.until('the first', () => far.messages.length === 5)
    const free = fill(seenBy(server, 'data'))
    await world.send(server, 40)
    await far.until('all', () => far.messages.length === 45)
    free()
    await world.send(server, 5)
    await far.until('those after it', () => far.messages.length === 50)
    await world.settled(far)
    assert.ok(far.mostOpen <= 2, `${far.mostOpen} connections`)
    await assertAtRest(world, [server], `lmdb:${seenBy(server, 'data/sluice')}`)
  })
})
