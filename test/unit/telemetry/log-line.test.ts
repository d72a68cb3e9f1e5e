import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Mode } from '../../../src/policy/mode'
import type { SenderEvent } from '../../../src/telemetry/events'
import { targetOf } from '../gates/jail/fixtures'
import { AT, decision, judged, rule, shadowed, subject } from './fixtures'
import { fieldsOf, linesOf } from './lines'

/** The expression that the documentation gives to fail2ban and its like. */
const REFUSAL = /^action=(?:delay|defer|reject) rule=\S+ mode=\S+ stage=\S+ ref=\S+ ip=(\S+) /

describe('log lines', () => {
  it('writes a refusal as a notice, fixed fields first', () => {
    assert.deepEqual(linesOf([judged({ decisions: [decision()] })]), [
      'notice action=defer rule=sender mode=enforce stage=mail ref=7KQ2XYZ ip=192.0.2.1 count=5 limit=5 window_s=60 ' +
        'retry_s=37 reason=limit score=- account=- id=0E1F2A3B-0000-4000-8000-000000000001.1 key="sender|list@example.com" ' +
        'helo="mx.example.com"',
    ])
  })

  it('writes what shadow lets pass as info, and nothing at all where info is not written', () => {
    const event = judged({ decisions: [shadowed] })
    assert.match(linesOf([event])[0]!, /^info action=accept rule=sender mode=shadow /)
    assert.deepEqual(linesOf([event], false), [])
  })

  it('writes one line for each decision and none for a stage without', () => {
    const canary = decision({ ...shadowed, rule: rule({ name: 'client', mode: { kind: 'canary', percent: 12.5 } }) })
    const lines = linesOf([judged({ decisions: [decision(), canary] }), judged()])
    assert.equal(lines.length, 2)
    assert.match(lines[1]!, /^info action=accept rule=client mode=canary:12.5% /)
  })

  it('names a client that is turned away once a minute, and says how many were left out', () => {
    const refused = (seconds: number, ip = '192.0.2.1') => {
      const at = AT + seconds * 1000
      const about = subject({ stage: 'connect', at, client: { ...subject().client, ip } })
      return judged({ subject: about, decisions: [decision({ stage: 'connect' })] })
    }
    const flood = Array.from({ length: 1000 }, (_, index) => refused(index / 100))
    const lines = linesOf([
      ...flood,
      refused(10, '192.0.2.2'),
      refused(61),
      judged({ subject: subject({ at: AT + 300_000 }) }),
    ])
    assert.equal(lines.filter((line) => line.includes('action=defer')).length, 3)
    assert.deepEqual(
      lines.filter((line) => !line.includes('action=')),
      ['notice left out 999 refused connections: a client is named once a minute'],
    )
    const many = Array.from({ length: 20_000 }, (_, index) => refused(0, `2001:db8::${index.toString(16)}`))
    const [later, atLast] = [refused(59, '192.0.2.9'), judged({ subject: subject({ at: AT + 60_000 }) })]
    const said = linesOf([...many, later, atLast, atLast])
    assert.equal(said.filter((line) => line.includes('action=defer')).length, 501)
    assert.match(said.at(-1)!, /^notice left out 19500 refused connections/)
  })

  it('leaves out no refusal within a session', () => {
    const event = judged({ decisions: [decision({ stage: 'rcpt' })], subject: subject({ stage: 'rcpt' }) })
    assert.equal(linesOf(Array.from({ length: 1000 }, () => event)).length, 1000)
  })

  it('says when a sender goes on as usual, what is ordered having a line of its own, and when an own address is listed', () => {
    const sender: SenderEvent = {
      step: 'pause',
      ...{ kind: 'sender', at: AT, of: 'account', name: 'ann"@example.com', fault: 'hard', id: '7KQ2M4X', until: AT },
      ...{ mode: 'enforce', evidence: '9 of 300 recipients bounced' },
    }
    const listed = { kind: 'listed', at: AT, address: '192.0.2.10', source: 'one' } as const
    assert.deepEqual(
      linesOf([
        sender,
        { ...sender, step: 'recover' },
        { ...listed, lists: ['bl.test', 'zen.test'], then: 'resting' },
        { ...listed, lists: [], then: 'free' },
      ]),
      [
        'notice action=recover order=7KQ2M4X origin=guard mode=enforce of=account fault=hard why="9 of 300 recipients bounced" name="ann\\"@example.com"',
        'warn own address listed: 192.0.2.10 (source one) is on bl.test, zen.test; the source rests, others of its pool send',
        'notice own address off all lists: 192.0.2.10 (source one); the source sends as usual',
      ],
    )
  })

  it('says that a DNS list fell ill, and that it is well again', () => {
    const zone = { kind: 'zone', at: AT, label: 'zen.example' } as const
    assert.deepEqual(
      linesOf([
        { ...zone, to: 'dead', why: 'no answer to a probe: timeout' },
        { ...zone, to: 'well', why: 'answers its probes' },
      ]),
      [
        'warn dns list ill: zen.example is dead: no answer to a probe: timeout; it counts for nobody until it is well',
        'notice dns list well: zen.example answers its probes again',
      ],
    )
  })

  it('says never and unknown', () => {
    const lines = linesOf([
      judged({ decisions: [decision({ retryAfterMs: Infinity })] }),
      judged({ decisions: [decision({ retryAfterMs: 0, reason: 'store_unreachable' })] }),
    ])
    assert.match(lines[0]!, / retry_s=never reason=limit /)
    assert.match(lines[1]!, / retry_s=- reason=store_unreachable /)
  })

  it('keeps hostile text in its field', () => {
    const helo = 'a" ip=198.51.100.9\r\naction=defer\0\\ \u202emüller'
    const event = judged({
      subject: subject({ helo, account: 'eve ip=203.0.113.5' }),
      decisions: [decision({ key: 'helo|%22' })],
    })
    const [line] = linesOf([event])
    assert.ok(
      line!.endsWith('helo="a\\" ip=198.51.100.9\\u000d\\u000aaction=defer\\u0000\\\\ \\u202em\\u00fcller"'),
      line,
    )
    assert.match(line!, / account="eve\\u0020ip=203\.0\.113\.5" /)
    assert.equal(REFUSAL.exec(line!.slice('notice '.length))?.[1], '192.0.2.1')
  })

  it('tells bans and pardons, what a firewall needs first', () => {
    const ban = { target: targetOf('192.0.2.0/24'), origin: 'jail', reason: 'a "b"', since: AT, until: AT + 90_001 }
    assert.deepEqual(
      linesOf([
        { kind: 'ban', at: AT, ban, before: 2, mode: { kind: 'shadow' } },
        { kind: 'unban', at: AT, target: 'account:ann', origin: 'http' },
      ]),
      [
        'notice action=ban target=192.0.2.0/24 origin=jail duration_s=91 before=2 mode=shadow why="a \\"b\\""',
        'notice action=unban target=account:ann origin=http',
      ],
    )
  })

  it('tells failed logins and attempts to relay, the account last, and leaves the rest to the figures', () => {
    const offence = (kind: string, account?: string) =>
      ({ kind: 'offence', at: AT, ip: '192.0.2.1', offence: kind, account }) as const
    assert.deepEqual(
      linesOf([offence('auth', 'a" ip=198.51.100.9\n'), offence('auth'), offence('relay'), offence('protocol')]),
      [
        'notice action=offence offence=auth ip=192.0.2.1 account="a\\" ip=198.51.100.9\\u000a"',
        'notice action=offence offence=auth ip=192.0.2.1 account=-',
        'notice action=offence offence=relay ip=192.0.2.1 account=-',
      ],
    )
  })

  it('cuts long text and marks it', () => {
    const [line] = linesOf([judged({ subject: subject({ helo: 'x'.repeat(10_000) }), decisions: [decision()] })])
    assert.ok(line!.endsWith(` helo="${'x'.repeat(128)}…"`))
  })

  it('is one parseable line whatever a client sends', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 })
    fc.assert(
      fc.property(text, text, (helo, account) => {
        const lines = linesOf([judged({ subject: subject({ helo, account }), decisions: [decision()] })])
        assert.equal(lines.length, 1)
        assert.match(lines[0]!, /^[\x20-\x7e…]*$/)
        const fields = fieldsOf(lines[0]!)
        assert.equal(fields.ip, '192.0.2.1')
        assert.equal(fields.ref, '7KQ2XYZ')
        if (helo.length <= 128) assert.equal(JSON.parse(fields.helo!), helo)
      }),
    )
  })

  it('takes linear time for the longest hostile text', () => {
    const began = performance.now()
    const helo = '"\\ \u0000'.repeat(2500)
    for (let round = 0; round < 1000; round++) {
      const [line] = linesOf([judged({ subject: subject({ helo }), decisions: [decision()] })])
      REFUSAL.test(line!)
    }
    assert.ok(performance.now() - began < 2000)
  })

  it('tells the loss of the store loudly, and its return', () => {
    assert.deepEqual(
      linesOf([
        { kind: 'store', state: 'lost', at: AT, reason: 'connect ECONNREFUSED 127.0.0.1:6379\nat x' },
        { kind: 'store', state: 'back', at: AT, reason: 'answers in 0.4 ms', downMs: 12_345 },
      ]),
      [
        'error store lost: connect ECONNREFUSED 127.0.0.1:6379\\u000aat x',
        'notice store back after 12.345 s: answers in 0.4 ms',
      ],
    )
  })

  it('tells a step of the load and what it comes of, and claims no refusals that the mode does not make', () => {
    const lineOf = (level: number, mode: Mode) =>
      linesOf([
        { kind: 'load', at: AT, level, before: 0, mode, pressures: { loop: 0.5, disk: 100, cpu: 1.214, memory: 0 } },
      ])[0]!
    const figures = 'of their thresholds: disk 10000 %, cpu 121 %, loop 50 %'
    assert.equal(lineOf(4, { kind: 'enforce' }), `notice load level 4, was 0: all are deferred; ${figures}`)
    assert.equal(
      lineOf(4, { kind: 'shadow' }),
      `notice load level 4, was 0: all would be deferred (shadow); ${figures}`,
    )
    const someKnown = 'strangers would be deferred, and a share of the known clients (off)'
    assert.equal(lineOf(3, { kind: 'off' }), `notice load level 3, was 0: ${someKnown}; ${figures}`)
    const canary = 'a share of the strangers is deferred (canary 10%)'
    assert.equal(lineOf(2, { kind: 'canary', percent: 10 }), `notice load level 2, was 0: ${canary}; ${figures}`)
    assert.match(lineOf(1, { kind: 'shadow' }), /: strangers would wait \(shadow\);/)
    assert.match(lineOf(0, { kind: 'shadow' }), /: all are let in;/)
  })

  it('tells a configuration taken, and each problem of one refused', () => {
    const file = 'config/sluice.yaml'
    const problems = ['config/sluice.yaml:3:10 limits.sender.limit: "5/mn" is no limit', 'another']
    assert.deepEqual(
      linesOf([
        { kind: 'config', at: AT, file, accepted: true, problems: [], inForce: 'shadow, 8 rules' },
        { kind: 'config', at: AT, file, accepted: false, problems, inForce: 'shadow, 8 rules' },
      ]),
      [
        'notice config taken: config/sluice.yaml; in force: shadow, 8 rules',
        'error config refused: 2 problems; still in force: shadow, 8 rules',
        'error config problem: config/sluice.yaml:3:10 limits.sender.limit: "5/mn" is no limit',
        'error config problem: another',
      ],
    )
    const many = Array.from({ length: 60 }, (_, index) => `problem ${index}`)
    const lines = linesOf([{ kind: 'config', at: AT, file, accepted: false, problems: many, inForce: 'x' }])
    assert.equal(lines.length, 52)
    assert.equal(lines[51], 'error config problem: and 10 more')
  })

  it('tells a failing hook once in ten seconds, with a count', () => {
    const guard = (at: number, hook = 'rcpt') =>
      ({ kind: 'guard', at, plugin: 'messages', hook, failure: 'error', message: 'boom' }) as const
    assert.deepEqual(linesOf([guard(AT), guard(AT + 1), guard(AT + 2), guard(AT, 'mail'), guard(AT + 10_000)]), [
      'warn guard: messages rcpt failed: boom; nothing was refused for it',
      'warn guard: messages mail failed: boom; nothing was refused for it',
      'warn guard: messages rcpt failed: boom; nothing was refused for it, and 2 times unsaid since the last line',
    ])
  })

  it('tells probes and notices', () => {
    assert.deepEqual(
      linesOf([
        { kind: 'probe', at: AT, ip: '2001:db8::1', command: 'VRFY' },
        { kind: 'notice', at: AT, message: 'a corrupt store was set aside\nas x' },
      ]),
      ['notice action=refuse command=VRFY ip=2001:db8::1', 'warn a corrupt store was set aside\\u000aas x'],
    )
  })
})
