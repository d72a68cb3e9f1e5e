import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { parse, parseAllDocuments } from 'yaml'
import { logLineReader } from '../../../src/telemetry/log-line'
import type { TelemetryEvent } from '../../../src/telemetry/events'
import { AT, banOn } from '../gates/jail/fixtures'
import { attempt, decision, judged, rule, subject } from '../telemetry/fixtures'

const FOLDER = path.resolve(__dirname, '../../../integrations')
const read = (name: string) => readFileSync(path.join(FOLDER, name), 'utf8')

/** What is in brackets is cut out by fail2ban before it matches. */
const PREFIX = ' [NOTICE] [-] [sluice] '

function linesOf(...events: readonly TelemetryEvent[]): string[] {
  const lines: string[] = []
  const keep = (line: string) => void lines.push(line)
  const reader = logLineReader({ notice: keep, info: () => undefined, warn: keep, error: keep, writesInfo: () => true })
  events.forEach(reader)
  return lines
}

/** The values of an ini file as fail2ban reads them, those of the files before it included. */
function valuesOf(file: string): Map<string, string> {
  const text = read(`fail2ban/filter.d/${file}`)
  const before = /^before = (.*)$/m.exec(text)?.[1]
  const values = before === undefined ? new Map<string, string>() : valuesOf(before)
  for (const [, name, value] of text.matchAll(/^(\w+) = (.*(?:\n[ \t]+.*)*)$/gm)) values.set(name!, value!)
  return values
}

const ADDRESS = '(?:\\d{1,3}(?:\\.\\d{1,3}){3}|(?=[0-9a-f:.]*:)[0-9a-f:.]{2,45})'

/** The expressions of a filter, as fail2ban makes them; the group `host` is who would be banned. */
function expressionsOf(filter: string): RegExp[] {
  const values = valuesOf(`sluice-${filter}.conf`)
  const filled = (text: string): string =>
    text.replaceAll(/%\((\w+)\)s/g, (_, name: string) => filled(values.get(name) ?? assert.fail(name)))
  return values
    .get('failregex')!
    .split('\n')
    .map((line) => filled(line.trim()))
    .map((line) => line.replaceAll(/<(rules)>/g, (_, name: string) => values.get(name)!))
    .map((line) => line.replace('<ADDR>', `(?<host>${ADDRESS})`).replace('<SUBNET>', `(?<host>${ADDRESS}(?:/\\d+)?)`))
    .map((line) => new RegExp(line))
}

function hostIn(filter: string, line: string): string | undefined {
  for (const expression of expressionsOf(filter)) {
    const host = expression.exec(PREFIX + line)?.groups?.host
    if (host !== undefined) return host
  }
  return undefined
}

const refusal = (name: string, changes: object = {}) =>
  judged({ decisions: [decision({ rule: rule({ name }), ...changes })] })
const offence = (kind: string, account?: string): TelemetryEvent => ({
  kind: 'offence',
  at: AT,
  ip: '192.0.2.1',
  offence: kind,
  account,
})
const ban = (target: string, origin: string, mode: 'enforce' | 'shadow' = 'enforce'): TelemetryEvent => ({
  kind: 'ban',
  at: AT,
  ban: banOn(target, { origin }),
  before: 1,
  mode: { kind: mode },
})

const FILTERS = ['auth', 'abuse', 'rbl', 'recidive'] as const

const caughtBy = (event: TelemetryEvent) =>
  linesOf(event).flatMap((line) => FILTERS.flatMap((filter) => (hostIn(filter, line) === undefined ? [] : [filter])))

describe('filters of fail2ban', () => {
  it('read the lines that are written now', () => {
    assert.deepEqual(caughtBy(offence('auth', 'ann')), ['auth'])
    assert.deepEqual(caughtBy(offence('auth')), ['auth'])
    assert.deepEqual(caughtBy(offence('relay')), ['abuse'])
    assert.deepEqual(caughtBy({ kind: 'probe', at: AT, ip: '192.0.2.1', command: 'EXPN' }), ['abuse'])
    for (const name of ['session_errors', 'session_junk']) assert.deepEqual(caughtBy(refusal(name)), ['abuse'], name)
    for (const name of ['dnsbl', 'score'])
      assert.deepEqual(caughtBy(refusal(name, { action: 'reject' })), ['rbl'], name)
    for (const target of ['192.0.2.7', '192.0.2.0/24', '2001:db8:6:1::/64']) {
      assert.deepEqual(caughtBy(ban(target, 'jail')), ['recidive'])
      assert.equal(hostIn('recidive', linesOf(ban(target, 'jail'))[0]!), target)
    }
  })

  it('leave honest trouble alone: limits, greylisting, shadow', () => {
    for (const name of ['sender', 'connection_rate', 'greylist', 'ban', 'session_length', 'session_recipients']) {
      assert.deepEqual(caughtBy(refusal(name)), [], name)
    }
    assert.deepEqual(caughtBy(refusal('session_errors', { action: 'accept' })), [])
    assert.deepEqual(caughtBy({ kind: 'unban', at: AT, target: '192.0.2.1', origin: 'fail2ban' }), [])
  })

  it('ban no host that our own mail goes to, whatever it answers', () => {
    assert.equal(linesOf(attempt()).length, 1)
    assert.deepEqual(caughtBy(attempt()), [])
    assert.deepEqual(caughtBy(attempt({ deferred: 0, bounced: 2 })), [])
  })

  it('take no ban of fail2ban, of an operator or in shadow for another offence', () => {
    for (const origin of ['fail2ban', 'operator', 'http', 'crowdsec'])
      assert.deepEqual(caughtBy(ban('192.0.2.7', origin)), [])
    assert.deepEqual(caughtBy(ban('192.0.2.7', 'jail', 'shadow')), [])
    assert.deepEqual(caughtBy(ban('account:ann', 'jail')), [])
  })

  it('find who it was, and nobody whom a client names', () => {
    const victim = '198.51.100.9'
    const pieces = [
      PREFIX,
      '\n',
      '"',
      ' ',
      '\\',
      `ip=${victim} `,
      `action=offence offence=auth ip=${victim} account=`,
      `action=ban target=${victim} origin=jail duration_s=1 before=1 mode=enforce why=`,
    ]
    const hostile = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: 'binary' })), { maxLength: 6 })
    fc.assert(
      fc.property(hostile, (parts) => {
        const text = parts.join('')
        const told: TelemetryEvent[] = [
          judged({
            subject: subject({ helo: text, account: text }),
            decisions: [decision({ rule: rule({ name: 'dnsbl' }), key: text })],
          }),
          offence('auth', text),
          { ...ban('192.0.2.1', 'jail'), ban: banOn('192.0.2.1', { origin: 'jail', reason: text }) } as TelemetryEvent,
        ]
        const deferred = attempt({ text, host: text, ip: text, domain: text, enhanced: text, path: text })
        const lines = linesOf(...told)
        assert.equal(lines.length, 3)
        for (const filter of FILTERS) assert.equal(hostIn(filter, linesOf(deferred)[0]!), undefined)
        for (const line of lines) {
          for (const filter of FILTERS) assert.ok([undefined, '192.0.2.1'].includes(hostIn(filter, line)), line)
        }
      }),
    )
  })

  it('want the line from its beginning', () => {
    const [line] = linesOf(offence('auth', 'ann'))
    const elsewhere = [
      `[INFO] [-] [sluice] ${line}`,
      `[NOTICE] [6F1A] [core] EHLO [NOTICE] [-] [sluice] ${line}`,
      `[NOTICE] [-] [other] ${line}`,
      `x [NOTICE] [-] [sluice] ${line}`,
    ]
    for (const text of elsewhere) {
      for (const expression of expressionsOf('auth')) assert.doesNotMatch(text, expression)
    }
    for (const before of ['mx haraka[123]: ', 'mx haraka[123]: 2026-11-22T03:41:52.946Z ']) {
      assert.match(`${before}[NOTICE] [-] [sluice] ${line}`, expressionsOf('auth')[0]!)
    }
  })

  it('read hostile text in linear time', () => {
    const began = performance.now()
    const texts = [' '.repeat(50_000), 'x '.repeat(25_000), `${PREFIX}action=defer rule=dnsbl mode=`.repeat(900)]
    for (const text of texts) for (const filter of FILTERS) hostIn(filter, text)
    assert.ok(performance.now() - began < 1000)
  })
})

describe('the jails of fail2ban', () => {
  it('name filters and an action that are there', () => {
    const text = read('fail2ban/jail.d/sluice.conf')
    const filters = [...text.matchAll(/^filter = (.*)$/gm)].map(([, name]) => `${name}.conf`)
    assert.deepEqual(
      [...filters, 'sluice-common.conf'].sort(),
      readdirSync(path.join(FOLDER, 'fail2ban/filter.d')).sort(),
    )
    assert.match(text, /^sluice_action = sluice\[/m)
  })

  it('mark what keeps out for a week apart, so that no shorter ban lifts it when it ends', () => {
    const text = read('fail2ban/jail.d/sluice.conf')
    const [preface, ...jails] = text.split(/^(?=\[sluice-)/m)
    assert.match(preface!, /^sluice_origin = fail2ban$/m)
    assert.match(preface!, /^sluice_action = sluice\[.*origin="%\(sluice_origin\)s"/m)
    const origins = jails.map((jail) => [
      /^\[(.*)\]/.exec(jail)?.[1],
      /^sluice_origin = (.*)$/m.exec(jail)?.[1] ?? 'fail2ban',
    ])
    assert.deepEqual(origins, [
      ['sluice-auth', 'fail2ban'],
      ['sluice-abuse', 'fail2ban'],
      ['sluice-rbl', 'fail2ban'],
      ['sluice-recidive', 'fail2ban-recidive'],
    ])
    assert.deepEqual(caughtBy(ban('192.0.2.7', 'fail2ban-recidive')), [])
  })

  it('cut nothing off: to fail2ban a semicolon after a blank begins a comment', () => {
    for (const folder of ['filter.d', 'action.d', 'jail.d']) {
      for (const name of readdirSync(path.join(FOLDER, 'fail2ban', folder))) {
        for (const line of read(`fail2ban/${folder}/${name}`).split('\n')) {
          if (!line.startsWith('#')) assert.doesNotMatch(line, /\s;/, `${name}: ${line}`)
        }
      }
    }
  })
})

describe('what CrowdSec is given', () => {
  const files = readdirSync(path.join(FOLDER, 'crowdsec'), { recursive: true, encoding: 'utf8' })

  it('is YAML without mistakes', () => {
    for (const name of files.filter((file) => file.endsWith('.yaml'))) {
      for (const document of parseAllDocuments(read(`crowdsec/${name}`))) assert.deepEqual(document.errors, [], name)
    }
  })

  it('reads the lines that are written now', () => {
    const { nodes } = parse(read('crowdsec/parsers/s01-parse/sluice-logs.yaml')) as {
      nodes: { grok: { pattern: string } }[]
    }
    const expressions = nodes.map(
      ({ grok }) =>
        new RegExp(
          grok.pattern
            .replaceAll(/%\{IP:(\w+)\}/g, `(?<$1>${ADDRESS})`)
            .replaceAll(/%\{TIMESTAMP_ISO8601:\w+\}/g, '[0-9TZ:.-]+'),
        ),
    )
    const told = (event: TelemetryEvent) =>
      expressions.flatMap(
        (expression) => expression.exec(`${PREFIX.trim()} ${linesOf(event)[0]}`)?.groups?.source_ip ?? [],
      )
    assert.deepEqual(told(offence('auth', ' ip=198.51.100.9 ')), ['192.0.2.1'])
    assert.deepEqual(told(offence('relay')), ['192.0.2.1'])
    assert.deepEqual(told({ kind: 'probe', at: AT, ip: '192.0.2.1', command: 'VRFY' }), ['192.0.2.1'])
    assert.deepEqual(told(refusal('session_errors')), ['192.0.2.1'])
    assert.deepEqual(told(refusal('sender')), [])
    assert.deepEqual(told(ban('192.0.2.7', 'jail')), [])
  })
})
