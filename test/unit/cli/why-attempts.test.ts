import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { explainAttempt } from '../../../src/cli/why/explain-attempt'
import { readQuery } from '../../../src/cli/why/query'
import { DecisionLog } from '../../../src/telemetry/decision-log'
import { DeliveryLog } from '../../../src/telemetry/delivery-log'
import { deliveryLine, parseDeliveryLine } from '../../../src/telemetry/delivery-record'
import type { AttemptEvent, TelemetryEvent } from '../../../src/telemetry/events'
import { AT, attempt, decision, delivered, judged, subject, unreached } from '../telemetry/fixtures'
import { sluice } from './command'

const recordOf = (changes: Partial<AttemptEvent>) => parseDeliveryLine(deliveryLine(attempt(changes)))!

describe('sluice why, of mail on its way out', () => {
  describe('in words', () => {
    const linesOf = (changes: Partial<AttemptEvent> = {}) =>
      explainAttempt(recordOf(changes), { now: AT + 180_000, ruleOf: () => undefined, dirOption: ' --dir /etc/haraka' })

    it('says what the host answered, and when it is tried again', () => {
      assert.deepEqual(linesOf(), [
        '2026-08-04 13:22:05 UTC, 3 min ago: mail for you@example.net and 1 more was deferred',
        '  answer     421 4.7.28 Gmail has detected an unusual rate / of unsolicited mail (to DATA)',
        '  about      rate: too many messages in too short a time (rule google_rate_ip)',
        '  host       gmail-smtp-in.l.google.example (198.51.100.26), TLSv1.3 verified, a session of an earlier message',
        '  next       2026-08-04 13:27:05 UTC, 5 minutes later; 2 minutes from now',
        '  attempt    3, 42 min after it was queued; waited 12 s for its path, took 1.3 s (data 1.2 s)',
        '  path       egress|default|google (provider google, class system)',
        '  do         sluice egress resolve example.net --dir /etc/haraka tells what holds on that way',
        '  message    from list@example.com, tenant example.com, id 0E1F2A3B-0000-4000-8000-000000000001.1.2, file 1785849725000_aBcDeF',
      ])
    })

    it('says what became of it', () => {
      assert.match(linesOf(delivered)[0]!, / was delivered$/)
      assert.match(linesOf({ deferred: 0, bounced: 2, retryAt: undefined })[0]!, / was bounced: it is not tried again$/)
      assert.match(
        linesOf({ delivered: 5, deferred: 2, bounced: 1 })[0]!,
        /mail for you@example\.net and 7 more was delivered to 5, deferred for 2, bounced for 1$/,
      )
      const named = (lines: string[], name: string) => lines.filter((line) => line.startsWith(`  ${name} `))
      assert.deepEqual(named(linesOf(delivered), 'next'), [])
      assert.deepEqual(named(linesOf(delivered), 'do'), [])
      assert.match(named(linesOf({ retryAt: AT + 1000 }), 'next')[0]!, /; that is past: it has been tried, or waits /)
      assert.match(named(linesOf({ retryAt: undefined }), 'next')[0]!, / unknown$/)
    })

    it('says what came of it later, not when it would have been tried', () => {
      const context = { now: AT + 180_000, ruleOf: () => undefined, dirOption: '' }
      const lines = explainAttempt(recordOf({}), context, recordOf({ ...delivered, at: AT + 60_000 }))
      const next = lines.filter((line) => line.startsWith('  next '))
      assert.deepEqual(next, [
        '  next       it has been tried again; the last time, at 2026-08-04 13:23:05 UTC, it was delivered',
      ])
    })

    it('says that nobody answered, and why', () => {
      const lines = linesOf({ ...unreached, provider: undefined, sender: '', tenant: '' })
      assert.ok(lines.includes('  answer     none while connecting: timeout: connection timed out'), lines.join('\n'))
      assert.ok(lines.includes('  host       gmail-smtp-in.l.google.example (198.51.100.26), no session'))
      assert.ok(lines.some((line) => line.startsWith('  message    from <> (a bounce), id ')))
      const dns = linesOf({ ...unreached, host: undefined, ip: undefined, phase: undefined, text: '', failure: 'dns' })
      assert.ok(dns.includes('  answer     none: dns'))
      assert.ok(dns.includes('  host       none was asked'))
    })

    it('lets nothing that a host wrote act on the terminal, nor in a shell', () => {
      const hostile = 'a\u001b[2J\r\n\u009b31m;$(id)'
      const event = { text: hostile, host: hostile, domain: hostile, recipients: [hostile], path: hostile, id: hostile }
      const lines = linesOf({ ...event, enhanced: hostile, tls: hostile, phase: hostile })
      for (const line of lines) assert.match(line, /^[\x20-\x7e]*$/)
      assert.ok(lines.every((line) => !line.startsWith('  do ')))
    })
  })

  describe('what about', () => {
    const finds = (input: string, changes: Partial<AttemptEvent> = {}) => {
      const { attempts } = readQuery(input)!
      const line = deliveryLine(attempt(changes))
      const contains = attempts.containsAny?.some((text) => line.includes(JSON.stringify(text).slice(1, -1))) ?? true
      return contains && attempts.matches(parseDeliveryLine(line.slice(0, -1))!)
    }

    it('the session or transaction that it came in by, or the delivery itself', () => {
      const session = '0e1f2a3b-0000-4000-8000-000000000001'
      for (const id of [session, `${session}.1`, `${session}.1.2`]) {
        assert.ok(finds(id), id)
        assert.ok(readQuery(id)?.message)
      }
      for (const id of [`${session}.2`, `${session}.1.20`, `${session}.1.1`]) assert.ok(!finds(id), id)
    })

    it('the file, as logs name it or as it lies in the queue', () => {
      for (const name of [
        '1785849725000_aBcDeF',
        '1785849725000_1785850325000_3_4711_aBcDeF_12_mx.example.com',
        '/var/spool/haraka/1785849725000_1785850325000_3_4711_aBcDeF_12_mx.example.com',
      ]) {
        assert.ok(finds(name), name)
        assert.ok(readQuery(name)?.message)
      }
      assert.ok(!finds('1785849725000_aBcDeG'))
      assert.ok(!finds('1785849725000_aBcDeF_12_mx.example.com'))
    })

    it('an address, tagged or not, as sender or recipient', () => {
      const tagged = { recipients: ['You+News@example.net'], sender: 'List+tag@Example.com' }
      for (const text of ['you@example.net', 'YOU+news@example.net', '<list@example.com>', 'list+tag@example.com']) {
        assert.ok(finds(text, tagged), text)
      }
      assert.ok(!finds('ou@example.net', tagged))
      assert.ok(finds('<>', { sender: '' }))
      assert.ok(!finds('<>'))
    })

    it('a domain, a provider, a path, a host, a tenant', () => {
      for (const text of [
        ...['example.net', 'EXAMPLE.NET', 'google', 'egress|default|google', 'gmail-smtp-in.l.google.example'],
        ...['example.com', '198.51.100.26', '198.51.100.0/24'],
      ]) {
        assert.ok(finds(text), text)
      }
      assert.ok(finds('comcast', { provider: 'comcast' }), 'seven letters that might be a reference')
      for (const text of ['xample.net', 'goog', 'egress|default', '192.0.2.1', '7KQ2XYZ']) assert.ok(!finds(text), text)
      assert.equal(readQuery('google')?.message, undefined)
    })
  })

  describe('command', () => {
    let dir: string

    beforeEach(() => {
      dir = mkdtempSync(path.join(tmpdir(), 'sluice-why-'))
    })

    afterEach(() => rmSync(dir, { recursive: true }))

    async function record(...events: readonly TelemetryEvent[]): Promise<void> {
      const folder = path.join(dir, 'data/decisions')
      const bounds = { rotateBytes: 1024 ** 2, keepMs: 86_400_000, mostBytes: 1024 ** 3, writer: 'w0' }
      const logs = [DecisionLog, DeliveryLog].map((Log) => new Log({ folder, record: 'all', ...bounds }))
      for (const event of events) for (const log of logs) log.reader(event)
      await Promise.all(logs.map((log) => log.close()))
    }

    const minutesAgo = (minutes: number) => Date.now() - minutes * 60_000
    const why = (...args: readonly string[]) => sluice('why', ...args, '--dir', dir)

    it('tells the attempts of a message, newest first, the last one too', async () => {
      await record(
        attempt({ at: minutesAgo(30), attempts: 1 }),
        attempt({ at: minutesAgo(20), attempts: 2 }),
        attempt({ at: minutesAgo(10), id: '0E1F2A3B-0000-4000-8000-000000000009.1.1', file: '1785849725000_others' }),
        attempt({ ...delivered, at: minutesAgo(5), attempts: 3 }),
      )
      for (const about of [attempt().id, attempt().file, '0E1F2A3B-0000-4000-8000-000000000001']) {
        const { code, stdout, stderr } = await why(about)
        assert.equal(code, 0)
        assert.deepEqual(
          [...stdout.matchAll(/^\d.* was (\w+)$/gm)].map(([, what]) => what),
          ['delivered', 'deferred', 'deferred'],
        )
        assert.equal(stderr, '')
      }
    })

    it('tells what was decided and what was delivered in the order of time', async () => {
      await record(
        judged({ subject: subject({ at: minutesAgo(40) }), decisions: [decision()] }),
        attempt({ at: minutesAgo(30) }),
        judged({ subject: subject({ at: minutesAgo(20) }), decisions: [decision()] }),
        attempt({ at: minutesAgo(10), deferred: 0, bounced: 2 }),
      )
      const { stdout } = await why('list@example.com')
      const told = [...stdout.matchAll(/ ago: (MAIL FROM|mail for)/g)].map(([, what]) => what)
      assert.deepEqual(told, ['mail for', 'MAIL FROM', 'mail for', 'MAIL FROM'])
      const most = await why('list@example.com', '--most', '2')
      assert.equal(most.stdout.match(/ ago: /g)?.length, 2)
      assert.equal(most.stderr, 'ended after 2: --most shows more\n')
    })

    it('leaves out what was delivered, and says so', async () => {
      const taken = attempt({ ...delivered, at: minutesAgo(5) })
      await record(taken, taken, judged({ subject: subject({ at: minutesAgo(6) }) }))
      const { code, stdout } = await why('example.com')
      assert.equal(code, 0)
      assert.match(stdout, /^example\.com: 1 stage judged since .*, all accepted; the last at .*\n/)
      assert.match(stdout, /\nexample\.com: 2 attempts to deliver since .*, all delivered; the last at .* UTC\n$/)
      assert.equal((await why('example.com', '--all')).stdout.match(/ was (delivered|accepted)$/gm)?.length, 3)
    })

    it('says of what was deferred that it has been delivered since, though that is not shown', async () => {
      await record(
        attempt({ at: minutesAgo(30), retryAt: Date.now() + 60_000 }),
        attempt({ at: minutesAgo(20), retryAt: Date.now() + 60_000 }),
        attempt({ ...delivered, at: minutesAgo(5) }),
        attempt({ at: minutesAgo(4), file: '1785849725000_others', retryAt: Date.now() + 60_000 }),
      )
      const { stdout } = await why('example.net')
      const nexts = [...stdout.matchAll(/^ {2}next +(.*)$/gm)].map(([, text]) => text!)
      assert.equal(nexts.length, 3)
      assert.match(nexts[0]!, /from now$/)
      for (const next of nexts.slice(1)) assert.match(next, /^it has been tried again; .* it was delivered$/)
    })

    it('says how much besides was well', async () => {
      const taken = attempt({ ...delivered, at: minutesAgo(5) })
      await record(attempt({ at: minutesAgo(7) }), taken, judged({ subject: subject({ at: minutesAgo(6) }) }))
      const { stderr } = await why('example.com')
      assert.equal(stderr, 'besides, 1 accepted without a remark and 1 delivered: --all shows them\n')
    })

    it('gives records of both kinds to programs', async () => {
      await record(
        judged({ subject: subject({ at: minutesAgo(9) }), decisions: [decision()] }),
        attempt({ at: minutesAgo(7) }),
      )
      const records = JSON.parse((await why('example.com', '--json')).stdout) as { kind: string; code?: number }[]
      assert.deepEqual(
        records.map(({ kind, code }) => [kind, code]),
        [
          ['delivery', 421],
          ['decision', undefined],
        ],
      )
    })

    it('finds nothing with exit code 1, and says what was searched', async () => {
      await record(attempt({ at: minutesAgo(9) }), judged({ subject: subject({ at: minutesAgo(9) }) }))
      const { code, stdout, stderr } = await why('example.org')
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, /^nothing about example\.org since .*\nsearched 2 files in .*data\/decisions, /)
    })
  })
})
