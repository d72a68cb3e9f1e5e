import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { ERRAND_PREFIX, type Errand, type ErrandAnswer, answerEntry, readErrand } from '../../../src/egress/errand'
import { type PathReport, loadEntry, processEntry } from '../../../src/egress/path-load'
import { openStore } from '../../../src/store/open-store'
import type { Store } from '../../../src/store/store'
import { DnsServer } from '../../support/dns-server'
import { type Ran, sluice } from './command'

const GOOGLE = 'egress|default|google'
const PROCESS = 'mx1-1-ABCDEFG'

describe('sluice egress list, show, queue, flush, bounce', () => {
  let dir: string
  let dns: DnsServer
  let store: Store
  beforeEach(async () => {
    dns = await DnsServer.start()
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-seeing-'))
    mkdirSync(path.join(dir, 'config'))
    mkdirSync(path.join(dir, 'queue'))
    const config = `store: lmdb:data/sluice\ndns: {servers: ['${dns.address}'], timeout: 500ms}\n`
    writeFileSync(path.join(dir, 'config/sluice.yaml'), config)
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
  })
  afterEach(async () => {
    await store.close()
    rmSync(dir, { recursive: true, force: true })
    await dns.close()
  })

  const run = (...args: string[]): Promise<Ran> => sluice('egress', ...args, '--dir', dir)

  async function report(more: Partial<PathReport> = {}, putOff = 0): Promise<void> {
    const one: PathReport = {
      ...{ process: PROCESS, path: GOOGLE, at: Date.now(), underWay: 4, connections: 5, pace: 2.5, hold: 'rate' },
      ...{ waiting: { transactional: 1, system: 20, marketing: 300 }, oldestDueAt: Date.now() - 90_000 },
      limits: { connections: 20, intervalMs: 50, suspendedUntil: undefined },
      ...more,
    }
    const whole = { process: one.process, at: one.at, waiting: 321, underWay: 4, putOff, paths: 1 }
    await store.post([loadEntry(one), processEntry(whole)])
  }

  describe('list and show', () => {
    it('say what to do when nobody tells anything, and when there is nothing to tell', async () => {
      const { code, stdout, stderr } = await run('list')
      assert.deepEqual([code, stdout], [0, ''])
      assert.match(stderr, /^No process delivers with plugin egress.*is sluice\/plugins\/egress in config\/plugins/)
      await store.post([
        processEntry({ process: PROCESS, at: Date.now(), waiting: 0, underWay: 0, putOff: 3, paths: 0 }),
      ])
      const idle = (await run('list')).stderr
      assert.match(idle, /^Nothing waits, and nothing is under way, as 1 process said \d+ m?s ago\.\n/)
      assert.match(idle, /3 messages are put off.*sluice egress queue/)
      assert.match((await run('show', 'google')).stderr, /^Nothing waits for it/)
    })

    it('add up what all processes say, with what holds the path and what is ordered for it', async () => {
      await report()
      await report({ process: 'mx2-1-ABCDEFG', waiting: { transactional: 0, system: 79, marketing: 0 } }, 5)
      await run('set', 'google', '--rate', '20/s', '--reason', 'their wish')
      const { stdout, stderr } = await run('list')
      const [head, line] = stdout.split('\n').map((text) => text.split(/ {2,}/))
      assert.deepEqual(head!.slice(0, 5), ['PATH', 'WAITING', 'UNDER WAY', 'OLDEST', 'RATE'])
      assert.deepEqual(line!.slice(0, 8), [GOOGLE, '400', '8', '1.5 min', '20/s', '10 of 20', 'message rate', '20 s'])
      assert.match(line![8]!, /^[0-9A-Z]{7}$/)
      assert.match(stderr, /^As 2 processes said/)
      const shown = (await run('show', 'google')).stdout
      for (const said of [
        /^waiting +400 \(transactional 1, system 99, marketing 300\)$/m,
        /^held by +message rate$/m,
        /^mx2-1-ABCDEFG +0 \+ 79 \+ 0 +4 /m,
        /^[0-9A-Z]{7} +20 in 1 second .* operator +enforce +their wish$/m,
        /^connections +\d+ +provider google +\S+providers.yaml:\d+/m,
        /^No attempt failed within 1 d, as this host knows\.$/m,
      ]) {
        assert.match(shown, said)
      }
      const json = JSON.parse((await run('list', '--json')).stdout) as {
        paths: { waiting: object; orders: object[] }[]
      }
      assert.deepEqual(json.paths[0]!.waiting, { transactional: 1, system: 99, marketing: 300, all: 400 })
      assert.equal(json.paths[0]!.orders.length, 1)
    })

    it('say each thing that may hold a path', async () => {
      const until = Date.now() + 3_600_000
      for (const [hold, said] of [
        ['suspended', /suspended until \d{4}-/],
        ['connections', /connections/],
        ['connection_rate', /connection rate/],
        ['process', /concurrency_max/],
        ['store', /the store does not answer/],
        ['nothing', /nothing/],
      ] as const) {
        const suspendedUntil = hold === 'suspended' ? until : undefined
        await report({ hold, limits: { connections: 20, intervalMs: 6000, suspendedUntil } })
        const { stdout } = await run('list')
        assert.match(stdout, said)
        assert.match(stdout, /10\/min/)
      }
    })

    it('shows the last failures of the path', async () => {
      mkdirSync(path.join(dir, 'data/decisions'), { recursive: true })
      const day = new Date().toISOString().slice(0, 10)
      const line = (t: number, more: object) =>
        JSON.stringify({ v: 1, t, id: 'A.1', file: `1785849725000_${t}`, path: GOOGLE, sender: '<>', ...more })
      const now = Date.now()
      const lines = [
        ...Array.from({ length: 7 }, (_, number) =>
          line(now - 9000 + number, {
            deferred: 1,
            domain: 'gmail.com',
            code: 421,
            enhanced: '4.7.28',
            text: 'slow\ndown',
          }),
        ),
        line(now - 100, { delivered: 1, text: 'fine' }),
        line(now - 50, { path: 'egress|default|yahoo', deferred: 1, text: 'other' }),
      ]
      writeFileSync(path.join(dir, `data/decisions/deliveries-${day}.w0.1.jsonl`), lines.join('\n') + '\n')
      const { stdout } = await run('show', 'google')
      assert.equal(stdout.match(/ deferred .* 421 4\.7\.28 slow \/ down$/gm)?.length, 5, stdout)
    })

    it('refuses a pattern: that is many paths', async () => {
      const { code, stderr } = await run('show', '*')
      assert.deepEqual([code, stderr.trim()], [2, 'sluice: egress|* is many paths: sluice egress list shows them'])
    })
  })

  describe('queue', () => {
    function queued(
      unique: string,
      { due = -1000, domain = 'far.test', sender = 'ann', attempts = 0, text = '' } = {},
    ) {
      const queuedAt = Date.now() - 120_000
      const head = Buffer.from(
        JSON.stringify({
          ...{ domain, uuid: `ID-${unique}.1`, queue_time: queuedAt, notes: { sluice: { class: 'marketing' } } },
          rcpt_to: [{ user: 'bob', host: domain }],
          mail_from: sender === '' ? { user: null, host: null } : { user: sender, host: 'near.test' },
        }),
      )
      const length = Buffer.alloc(4)
      length.writeUInt32BE(head.length)
      const name = `${queuedAt}_${Date.now() + due}_${attempts}_4711_${unique}_12_mx1`
      writeFileSync(path.join(dir, 'queue', name), text === '' ? Buffer.concat([length, head]) : text)
      return name
    }

    it('lists what is there while the store is away, also where sources warm up', async () => {
      const config = 'store: redis://127.0.0.1:1/0\negress: {sources: {default: {warmup: true}}}\n'
      writeFileSync(path.join(dir, 'config/sluice.yaml'), config)
      queued('first1')
      const { code, stdout, stderr } = await run('queue')
      assert.deepEqual([code, /_first1 +now /.test(stdout)], [0, true], stdout)
      assert.match(stderr, /^What mail waits for is not known: Redis at redis:\/\/127\.0\.0\.1:1\/0 cannot be reached/)
    })

    it('lists what is there, the first to be tried first', async () => {
      queued('later1', { due: 3_600_000, attempts: 2 })
      queued('first1', { due: -5000, sender: '' })
      queued('second', { due: -1000, domain: 'other.test' })
      const { stdout } = await run('queue')
      const rows = stdout
        .trim()
        .split('\n')
        .map((text) => text.split(/ {2,}/))
      assert.deepEqual(
        rows.slice(1).map((row) => [row[0]!.split('_')[1], ...row.slice(1)]),
        [
          ['first1', 'now', '2 min', '0', 'system', '<>', 'bob@far.test', 'far.test', '-'],
          ['second', 'now', '2 min', '0', 'marketing', 'ann@near.test', 'bob@other.test', 'other.test', '-'],
          ['later1', rows[3]![1], '2 min', '2', 'marketing', 'ann@near.test', 'bob@far.test', 'far.test', '-'],
        ],
      )
      assert.match(rows[3]![1]!, /^(1 h|60 min)$/)
      const most = await run('queue', '--most', '1')
      assert.deepEqual(
        [most.stdout.split('\n').length, most.stderr],
        [3, 'These are the first 1: --most shows more.\n'],
      )
    })

    it('picks by path, domain, address and file', async () => {
      dns.serve('far.test', ({ type }) =>
        type === 'MX'
          ? { answers: [{ type, name: 'far.test', ttl: 60, data: { preference: 1, exchange: 'smtp.google.com' } }] }
          : {},
      )
      dns.records({ 'A other.test': ['192.0.2.1'] })
      const name = queued('first1')
      queued('second', { domain: 'other.test', sender: 'joe' })
      const found = async (what: string) => {
        const { messages } = JSON.parse((await run('queue', what, '--json')).stdout) as {
          messages: { file: string; path?: string }[]
        }
        return messages.map(({ file }) => file.split('_')[4])
      }
      assert.deepEqual(await found('google'), ['first1'])
      assert.deepEqual(await found('egress|default|*'), ['first1', 'second'])
      assert.deepEqual(await found('other.test'), ['second'])
      assert.deepEqual(await found('JOE@near.test'), ['second'])
      assert.deepEqual(await found('bob@far.test'), ['first1'])
      assert.deepEqual(await found(name), ['first1'])
      const none = await run('queue', 'nobody@far.test')
      assert.match(none.stderr, /is for nobody@far\.test\. Other hosts have queues of their own/)
    })

    it('tells of what is no message, and what to do about it', async () => {
      const [empty, corrupt] = [queued('empty1', { text: ' ' }), queued('broken', { text: 'no head' })]
      writeFileSync(path.join(dir, 'queue', empty), '')
      writeFileSync(path.join(dir, 'queue/error.1_2'), 'x')
      writeFileSync(path.join(dir, 'queue/__tmp__.1_2'), 'x')
      writeFileSync(path.join(dir, 'queue/note\u001b[2J.txt'), 'x')
      const { code, stdout, stderr } = await run('queue')
      assert.deepEqual([code, stdout], [0, ''])
      const of = (name: string) => stderr.split('\n').find((line) => line.startsWith(name)) ?? ''
      assert.match(of(empty), /: empty\. remove it/)
      assert.match(of(corrupt), /: corrupt: its head would have \d+ bytes\. Sluice sets it aside/)
      assert.match(of('error.1_2'), /: set aside/)
      assert.match(of('__tmp__.1_2'), /: half written\. nothing/)
      assert.match(of('note\\u001b'), /: not a queue file/)
    })

    it('looks where config/queue_dir says, and says so when there is nothing', async () => {
      writeFileSync(path.join(dir, 'config/queue_dir'), `${dir}/spool\n`)
      const { code, stderr } = await run('queue')
      assert.equal(code, 1)
      assert.ok(stderr.startsWith(`sluice: there is no queue at ${dir}/spool: `), stderr)
    })

    it('is what sluice why asks about a message that waits, or is put off', async () => {
      dns.serve('far.test', ({ type }) =>
        type === 'MX'
          ? { answers: [{ type, name: 'far.test', ttl: 60, data: { preference: 1, exchange: 'smtp.google.com' } }] }
          : {},
      )
      await report()
      const waits = await sluice('why', queued('first1'), '--dir', dir)
      assert.equal(waits.code, 0)
      assert.match(waits.stdout, /^in the queue: mail for bob@far\.test is due, and waits for its path/)
      assert.match(waits.stdout, /^ {2}path +egress\|default\|google$/m)
      assert.match(
        waits.stdout,
        /^ {2}held by +message rate \(20\/s, 5 of 20 connections; 321 wait, 2\.5\/s go of late\)$/m,
      )
      assert.match(waits.stdout, /^ {2}goes +within about 17 seconds, if nothing changes$/m)
      const putOff = await sluice('why', queued('later1', { due: 3_600_000, attempts: 1 }), '--dir', dir)
      assert.match(putOff.stdout, /is put off, after 1 attempt\n {2}next .* (1 hour|59 minutes .*) from now$/m)
      assert.match(putOff.stdout, /^ {2}do +sluice egress flush \d+_later1 --dir /m)
    })
  })

  describe('flush and bounce', () => {
    let errands: Errand[]
    beforeEach(() => {
      errands = []
    })

    /** A server that answers so, each kind of errand. */
    function serve(answers: Partial<Record<Errand['kind'], Partial<ErrandAnswer>>>, process = PROCESS): void {
      store.onBoard((change) => {
        const entry = change.kind === 'posted' && change.entry.key.startsWith(ERRAND_PREFIX) ? change.entry : undefined
        const errand = entry && readErrand(entry)
        if (!errand || errands.some(({ id }) => id === errand.id)) return
        errands.push(errand)
        const none = { done: 0, waiting: 0, underWay: 0, putOff: 0, failed: 0, unseen: 0, isOver: true }
        void store.post([answerEntry(errand, { process, ...none, ...answers[errand.kind] }, Date.now())])
      })
    }

    it('say what each process has done', async () => {
      await report()
      serve({ flush: { done: 3, waiting: 2, underWay: 1, failed: 1 } })
      const { code, stdout } = await run('flush', 'google')
      const said = 'wait for their path and go when it has room; 1 left alone: they are being delivered'
      assert.equal(stdout, `${PROCESS}: 3 tried now; 2 ${said}; 1 could not be read, and are tried again\n`)
      assert.equal(code, 0)
      assert.deepEqual([errands[0]!.kind, errands[0]!.target], ['flush', { path: GOOGLE }])
      assert.deepEqual(await store.readBoard('egress_errand|', 9), [])
      assert.deepEqual(await store.readBoard('egress_answer|', 9), [])
    })

    it('bounce one message without more ado, and more only when told so', async () => {
      await report()
      serve({ count: { waiting: 2, putOff: 3 }, bounce: { done: 5 } })
      const refused = await run('bounce', 'far.test')
      assert.deepEqual([refused.code, errands.map(({ kind }) => kind)], [2, ['count']])
      assert.match(refused.stderr, /^sluice: that is 5 messages: say --yes/)
      const done = await run('bounce', 'far.test', '--yes', '--reason', 'a typing error')
      assert.deepEqual([done.code, done.stdout], [0, `${PROCESS}: 5 bounced\n`])
      assert.deepEqual([errands[1]!.reason, errands[1]!.target], ['a typing error', { domain: 'far.test' }])
      const dry = await run('bounce', 'far.test', '--dry-run')
      assert.deepEqual([dry.code, dry.stdout, errands[2]!.kind], [0, `${PROCESS}: 5 would be bounced\n`, 'count'])
    })

    it('bounce no more than the one that was counted', async () => {
      await report()
      serve({ count: { waiting: 1 }, bounce: { done: 1, waiting: 4 } })
      const { code, stdout } = await run('bounce', '1785849725000_aBcDeF')
      assert.deepEqual([code, stdout], [0, `${PROCESS}: 1 bounced; 4 left: there are more now\n`])
      assert.deepEqual([errands[1]!.most, errands[1]!.target], [1, { file: '1785849725000_aBcDeF' }])
    })

    it('say with 1 why nothing was done', async () => {
      await report()
      serve({ flush: { waiting: 3 }, count: { underWay: 1 }, bounce: { underWay: 1 } })
      const waits = await run('flush', 'far.test')
      assert.match(waits.stderr, /^sluice: nothing of far\.test is put off: what waits goes as its path allows/)
      const goes = await run('bounce', 'far.test')
      assert.match(goes.stderr, /^sluice: nothing to bounce: 1 of far\.test are being delivered/)
      assert.deepEqual([waits.code, goes.code], [1, 1])
    })

    it('say when no process is there, and when one does not answer', async () => {
      const nobody = await run('flush', 'far.test')
      assert.deepEqual([nobody.code, /^sluice: No process delivers/.test(nobody.stderr)], [1, true])
      await report()
      const silent = await run('flush', 'far.test')
      assert.match(silent.stderr, /^sluice: none of 1 processes has answered within 5 s/)
      assert.equal(silent.code, 1)
      assert.deepEqual(await store.readBoard('egress_errand|', 9), [])
    })

    it('refuse an address', async () => {
      const { code, stderr } = await run('bounce', 'bob@far.test')
      assert.deepEqual([code, /is an address: give a domain/.test(stderr)], [2, true])
    })
  })
})
