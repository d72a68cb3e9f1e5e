import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CommanderError } from 'commander'
import { CliError } from '../../../src/cli/terminal'
import { whyCommand } from '../../../src/cli/why'
import { adviceFor } from '../../../src/cli/why/advice'
import { type ExplainContext, explain } from '../../../src/cli/why/explain'
import type { LimitRule } from '../../../src/gates/limits/rule'
import type { Outcome } from '../../../src/policy/decision'
import { DecisionLog } from '../../../src/telemetry/decision-log'
import { decisionLine, parseDecisionLine } from '../../../src/telemetry/decision-record'
import { AT, decision, judged, outcome, recipient, rule, shadowed, subject } from '../telemetry/fixtures'

const recordOf = (changes: Partial<Outcome>) => parseDecisionLine(decisionLine(outcome(changes)))!

describe('sluice why', () => {
  describe('in words', () => {
    const senders = { count: 'messages', per: ['sender'], limit: { kind: 'windows', windows: [] } } as const
    const context: ExplainContext = {
      now: AT + 180_000,
      ruleOf: (name) => (name === 'sender' ? (senders as unknown as LimitRule) : undefined),
      dirOption: ' --dir /etc/haraka',
    }
    const linesOf = (changes: Partial<Outcome>) => {
      const record = recordOf(changes)
      return explain(record, record.decisions, context)
    }

    it('says what happened, by which rule, until when, and what to do', () => {
      assert.deepEqual(linesOf({ decisions: [decision()] }), [
        '2026-08-04 13:22:05 UTC, 3 min ago: MAIL FROM:<list@example.com> from 192.0.2.1 was deferred: the client may try again',
        '  reference  7KQ2XYZ',
        '  rule       sender (enforce)',
        '  counted    5 messages in 1 minute, the limit is 5',
        '  key        sender|list@example.com',
        '  free       2026-08-04 13:22:41 UTC, 37 seconds later; that is past: the same attempt is judged afresh',
        "  do         sluice limits show 'sender|list@example.com' --dir /etc/haraka",
        '             to allow it more, under limits.sender.overrides in config/sluice.yaml:  "list@example.com": 10/min',
        '             to lift the limit for it, there:  "list@example.com": exempt',
        '  client     192.0.2.1, inbound, helo mx.example.com, id 0E1F2A3B-0000-4000-8000-000000000001.1',
      ])
    })

    it('tells an overload by its level, and no limit', () => {
      const overload = { rule: rule({ name: 'overload', plugin: 'overload' }), reason: 'overload' as const }
      const shed = decision({ ...overload, key: 'overload|known|192.0.2.1', count: 3.25, limit: 3, stage: 'connect' })
      const lines = linesOf({ subject: subject({ stage: 'connect' }), decisions: [shed] })
      assert.match(lines[0]!, /a connection from 192\.0\.2\.1 was deferred/)
      assert.ok(
        lines.includes(
          '  counted    nothing: the server was at load level 3.25 of 4, and a known client is deferred, 25 % of such clients at that time',
        ),
        lines.join('\n'),
      )
      assert.match(lines.join('\n'), /add 192\.0\.2\.1 to trusted/)
      const held = { ...shed, action: 'delay' as const, key: 'overload|stranger|192.0.2.1', count: 1.5 }
      assert.match(
        linesOf({ decisions: [held] }).join('\n'),
        /was held for a moment\n.*\n.*\n.*a stranger waits before/,
      )
      const shadow = { ...shed, action: 'accept' as const }
      assert.match(linesOf({ decisions: [shadow] })[0]!, /was accepted, though the server was overloaded$/)
    })

    it('says what shadow would have done, and what is still to wait', () => {
      const later = { ...shadowed, retryAfterMs: 3_600_000 }
      const lines = linesOf({ decisions: [later] })
      assert.match(lines[0]!, /was accepted, though over a limit$/)
      assert.equal(lines[2], '  rule       sender (shadow: enforced, it would defer)')
      assert.match(lines[5]!, /1 hour later; 57 minutes from now$/)
      const canary = { ...shadowed, rule: rule({ mode: { kind: 'canary', percent: 10 }, remedy: 'reject' }) }
      assert.equal(
        linesOf({ decisions: [canary] })[2],
        '  rule       sender (canary 10%, this key is outside that share: enforced, it would reject)',
      )
    })

    it('tells bounds of a session in their own units', () => {
      const errors = decision({
        rule: rule({ name: 'session_errors', plugin: 'connections' }),
        key: 'session_errors|abcdefghijkl',
        count: 21,
        limit: 20,
        windowMs: 0,
        retryAfterMs: 0,
      })
      const length = { ...errors, rule: rule({ name: 'session_length' }), count: 3_601_000, limit: 3_600_000 }
      const lines = linesOf({ decisions: [errors, length] })
      assert.ok(lines.includes('  counted    21 errors in this session, the limit is 20'))
      assert.ok(lines.includes('  counted    the session had lasted 1 hour 1 second, the limit is 1 hour'))
      assert.ok(lines.includes('  free       in another session'))
      assert.ok(lines.includes('  do         to allow every session more: raise session.errors in config/sluice.yaml'))
    })

    it('tells stages, sizes, shares and what can never be', () => {
      const bytes = { ...senders, count: 'bytes' } as unknown as LimitRule
      const record = recordOf({
        subject: subject({ stage: 'data_post', sizeBytes: 60 * 1024 ** 2 }),
        decisions: [decision({ count: 0, limit: 50 * 1024 ** 2, windowMs: 3_600_000, retryAfterMs: Infinity })],
        degraded: true,
      })
      const lines = explain(record, record.decisions, { ...context, ruleOf: () => bytes })
      assert.match(lines[0]!, /: a message of 60 MB from 192\.0\.2\.1 \(sender list@example\.com\) was deferred/)
      assert.equal(
        lines[3],
        '  counted    0 bytes in 1 hour, the limit is 50 MB, by the share of one process: the shared store was out of reach',
      )
      assert.equal(lines[5], '  free       never: this attempt alone is more than the limit')
    })

    it('tells what reputation has made of a limit, and the parts of a score', () => {
      const signals = [
        { source: 'dnsbl', name: 'zen.example', weight: 5 },
        { source: 'reputation', name: 'good', weight: -1.5 },
      ]
      const record = recordOf({
        subject: subject({ limitFactor: 0.5 }),
        decisions: [
          decision({ count: 6, limit: 5 }),
          decision({ rule: rule({ name: 'score' }), reason: 'score', count: 3.5, limit: 3 }),
        ],
        score: { total: 3.5, parts: signals },
      })
      const limit = { kind: 'windows', windows: [] }
      const clients = { count: 'messages', per: ['client'], scales: true, limit } as unknown as LimitRule
      const lines = explain(record, record.decisions, {
        ...context,
        ruleOf: (name) => (name === 'sender' ? clients : undefined),
      })
      assert.ok(
        lines.includes('  counted    6 messages in 1 minute, the limit is 5 (0.5 times the usual, by reputation)'),
      )
      assert.ok(lines.includes('  counted    3.5 points, the threshold is 3'))
      assert.ok(lines.includes('  score      3.5: dnsbl zen.example 5, reputation good -1.5'))
    })

    it('tells a ban and how to lift it, and a mailbox that is bombed', () => {
      const ban = decision({
        ...{ rule: rule({ name: 'ban', plugin: 'jail' }), key: 'ban|192.0.2.0/24', reason: 'ban', count: 0, limit: 0 },
        ...{ windowMs: 600_000, retryAfterMs: 300_000 },
      })
      const bomb = decision({
        ...{
          rule: rule({ name: 'mailbomb', plugin: 'mailbomb' }),
          key: 'mailbomb|you@example.net',
          count: 30,
          limit: 30,
        },
        ...{ windowMs: 1_800_000 },
      })
      const lines = linesOf({ decisions: [ban, bomb] })
      assert.ok(lines.includes('  counted    banned for 10 minutes'))
      assert.ok(lines.some((line) => line.includes("sluice unban '192.0.2.0/24'")))
      assert.ok(lines.includes('  counted    30 new senders in 30 minutes, the limit is 30'))
      assert.ok(lines.every((line) => !line.includes('limits.mailbomb')))
    })

    it('tells who is paused or slowed down by an order, and how to let him go', () => {
      const order = { plugin: 'senders', key: 'sender|account|ann@example.com', count: 0, limit: 0 }
      const paused = decision({
        ...order,
        rule: rule({ name: 'sender_paused', plugin: 'senders' }),
        ref: '7KQ2M4X',
        reason: 'paused',
        retryAfterMs: 31 * 86_400_000,
      })
      assert.deepEqual(linesOf({ decisions: [paused] }).slice(2, 8), [
        '  rule       sender_paused (enforce)',
        '  counted    nothing: an order holds back what this sender sends',
        '  key        sender|account|ann@example.com',
        '  free       when somebody lets it go, at the latest 2026-09-04 13:22:05 UTC',
        '  do         sluice review list --dir /etc/haraka   (who has ordered it, and why)',
        "             to let it go: sluice review release '7KQ2M4X' --dir /etc/haraka",
      ])
      assert.match(linesOf({ decisions: [{ ...paused, action: 'accept' }] })[0]!, /accepted, though it is paused$/)
      const slowed = decision({
        ...order,
        rule: rule({ name: 'sender_slowed', plugin: 'senders' }),
        key: 'sender_slowed|sender|account|ann@example.com',
        ...{ count: 20, limit: 20, windowMs: 3_600_000 },
      })
      const lines = linesOf({ decisions: [slowed] })
      assert.equal(lines[3], '  counted    20 recipients in 1 hour, the limit is 20')
      assert.deepEqual(lines.slice(6, 8), [
        '  do         sluice review list --dir /etc/haraka   (who has ordered it, and why)',
        '             to let it go: sluice review release ID --dir /etc/haraka   (the ID that the list says)',
      ])
    })

    it('tells exemptions and the null sender', () => {
      const lines = linesOf({
        subject: subject({ sender: { address: '<>', domain: '', organisation: '' } }),
        exemptions: [{ rule: 'client', because: 'trusted network' }],
      })
      assert.match(lines[0]!, /: MAIL FROM:<> from 192\.0\.2\.1 was accepted$/)
      assert.equal(lines[1], '  exempt     client (trusted network)')
    })

    it('lets nothing that a client wrote act on the terminal', () => {
      const helo = 'a\u001b[2J\r\n\u009b31m'
      const lines = linesOf({ subject: subject({ helo, id: '\u0007' }), decisions: [decision()] })
      for (const line of lines) assert.match(line, /^[\x20-\x7e]*$/)
    })
  })

  describe('advice', () => {
    const limitRule = (changes: Partial<LimitRule>) => changes as LimitRule
    const advise = (changes: Parameters<typeof decision>[0], by?: LimitRule, who = subject()) => {
      const record = recordOf({ subject: who, decisions: [decision(changes)] })
      return adviceFor(record, record.decisions[0]!, by, '').slice(1).join('\n')
    }

    it('names the entry that reaches the key', () => {
      const named = (key: string, changes = {}) =>
        /"([^"]+)": exempt/.exec(advise({ key: `sender|${key}` }, undefined, subject(changes)))?.[1]
      assert.equal(named('list@example.com'), 'list@example.com')
      assert.equal(named('example.com'), 'example.com')
      assert.equal(named('you@example.net', { recipient }), 'you@example.net')
      assert.equal(named('carol', { account: 'carol' }), 'carol')
      assert.equal(named('192.0.2.1'), '192.0.2.1')
      assert.equal(named('#hashhashhashhashhashha'), '192.0.2.1')
      const nullSender = { address: '<>', domain: '', organisation: '' }
      assert.equal(named('%3C%3E|192.0.2.0/24', { sender: nullSender }), '192.0.2.1')
    })

    it('proposes twice the limit in the words of the config', () => {
      const more = (changes: Parameters<typeof decision>[0], by?: LimitRule) =>
        /config\/sluice\.yaml: {2}"[^"]+": (.+)$/m.exec(advise(changes, by))?.[1]
      assert.equal(more({}), '10/min')
      assert.equal(more({ limit: 30, windowMs: 3_600_000 }), '60/h')
      assert.equal(more({ limit: 50, windowMs: 30_000 }), '100/30s')
      assert.equal(more({ limit: 10, windowMs: 0 }), '{concurrency: 20}')
      assert.equal(more({}, limitRule({ per: [], limit: { kind: 'concurrency', most: 5 } })), '{concurrency: 10}')
      const rate = { kind: 'rate', intervalMs: 100, burst: 50 } as const
      assert.equal(more({}, limitRule({ per: [], limit: rate })), '{rate: 20/s, burst: 100}')
      assert.equal(more({ key: 'sender/26|192.0.2.0/26', limit: 15 }), 'exempt')
    })
  })

  describe('command', () => {
    let dir: string

    beforeEach(() => {
      dir = mkdtempSync(path.join(tmpdir(), 'sluice-why-'))
    })

    afterEach(() => {
      process.exitCode = undefined
      rmSync(dir, { recursive: true })
    })

    async function record(events: readonly Partial<Outcome>[], folder = 'data/decisions'): Promise<void> {
      const bounds = { rotateBytes: 1024 ** 2, keepMs: 86_400_000, mostBytes: 1024 ** 3 }
      const log = new DecisionLog({ folder: path.join(dir, folder), record: 'all', ...bounds, writer: 'w0' })
      for (const event of events) log.reader(judged(event))
      await log.close()
    }

    const recently = (changes: Parameters<typeof subject>[0] = {}) => subject({ at: Date.now() - 60_000, ...changes })

    it('explains by reference', async () => {
      await record([{ subject: recently() }, { subject: recently(), decisions: [decision(), shadowed] }])
      const { out, err, code } = await run('7KQ2XYZ', '--dir', dir)
      assert.equal(code, 0)
      assert.match(out, /1 min ago: MAIL FROM:<list@example\.com> from 192\.0\.2\.1 was deferred/)
      assert.match(out, /counted {4}5 messages in 1 minute, the limit is 5\n/, 'the shipped rule says what it counts')
      assert.equal(err, '')
    })

    it('shows only the decision that a reference names', async () => {
      await record([{ subject: recently(), decisions: [decision(), decision({ ref: '0000000' })] }])
      const { out } = await run('0000000', '--dir', dir)
      assert.doesNotMatch(out, /7KQ2XYZ/)
    })

    it('looks where the configuration says', async () => {
      mkdirSync(path.join(dir, 'config'))
      writeFileSync(path.join(dir, 'config/sluice.yaml'), 'decisions:\n  path: elsewhere\n')
      await record([{ subject: recently(), decisions: [decision()] }], 'elsewhere')
      assert.equal((await run('192.0.2.1', '--dir', dir)).code, 0)
    })

    it('works while the configuration is broken', async () => {
      mkdirSync(path.join(dir, 'config'))
      writeFileSync(path.join(dir, 'config/sluice.yaml'), 'limits: 7\n')
      await record([{ subject: recently(), decisions: [decision()] }])
      const { code, err } = await run('192.0.2.1', '--dir', dir)
      assert.equal(code, 0)
      assert.match(err, /^config\/sluice\.yaml:1:\d+ limits: /)
    })

    it('leaves out what was accepted, and says so', async () => {
      await record([{ subject: recently() }, { subject: recently() }])
      const { out, code } = await run('192.0.2.1', '--dir', dir)
      assert.match(out, /^192\.0\.2\.1: 2 stages judged since .* UTC, all accepted; the last at .* UTC\n$/)
      assert.equal(code, 0)
      const all = await run('192.0.2.1', '--dir', dir, '--all')
      assert.equal(all.out.match(/was accepted/g)?.length, 2)
    })

    it('ends after as many as asked', async () => {
      await record(Array.from({ length: 5 }, () => ({ subject: recently(), decisions: [decision()] })))
      const { out, err } = await run('192.0.2.1', '--dir', dir, '--most', '2')
      assert.equal(out.match(/was deferred/g)?.length, 2)
      assert.equal(err, 'ended after 2: --most shows more\n')
    })

    it('gives records to programs', async () => {
      await record([{ subject: recently(), decisions: [decision()] }])
      const { out } = await run('192.0.2.1', '--dir', dir, '--json')
      const [first] = JSON.parse(out) as { decisions: { ref: string }[] }[]
      assert.equal(first!.decisions[0]!.ref, '7KQ2XYZ')
    })

    it('says what it searched when it finds nothing', async () => {
      await record([{ subject: recently({ at: Date.now() - 7_200_000 }), decisions: [decision()] }])
      const { out, err, code } = await run('192.0.2.1', '--dir', dir, '--since', '1h')
      assert.equal(code, 1)
      assert.equal(out, '')
      assert.match(err, /^nothing about 192\.0\.2\.1 since .* UTC \(1 h\)\nsearched 1 file in .*data\/decisions, /)
      assert.doesNotMatch(err, /one a minute/)
      assert.match(
        (await run('7KQ2XYY', '--dir', dir)).err,
        /again and again one a minute is recorded: ask for the address/,
      )
      rmSync(path.join(dir, 'data'), { recursive: true })
      assert.match((await run('192.0.2.1', '--dir', dir)).err, /^no records in .*: is --dir the Haraka directory\?\n$/)
    })

    it('knows wrong usage', async () => {
      for (const args of [['x', '--since', 'yesterday'], ['x', '--most', '0'], ['x', '--most', '1.5'], [' ']]) {
        await assert.rejects(run(...args, '--dir', dir), (error) => error instanceof CliError && error.exitCode === 2)
      }
      await assert.rejects(run('--dir', dir), CommanderError)
      assert.deepEqual(readdirSync(dir), [])
    })
  })
})

/** Runs the command and catches what it writes. */
async function run(...args: string[]): Promise<{ out: string; err: string; code: number }> {
  const command = whyCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  const said = { out: '', err: '' }
  const write = process.stdout.write.bind(process.stdout)
  const writeErr = process.stderr.write.bind(process.stderr)
  process.stdout.write = (text) => ((said.out += String(text)), true)
  process.stderr.write = (text) => ((said.err += String(text)), true)
  process.exitCode = undefined
  try {
    await command.parseAsync(args, { from: 'user' })
    return { ...said, code: Number(process.exitCode ?? 0) }
  } finally {
    process.stdout.write = write
    process.stderr.write = writeErr
    process.exitCode = undefined
  }
}
