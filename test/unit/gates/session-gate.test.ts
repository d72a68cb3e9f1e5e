import assert from 'node:assert/strict'
import { type SessionBounds, sessionGate } from '../../../src/gates/session-gate'
import type { Finding } from '../../../src/policy/decision'
import { isEnforced } from '../../../src/policy/mode'
import type { Stage, Subject } from '../../../src/policy/subject'
import { AT, subject } from '../telemetry/fixtures'

const BOUNDS: SessionBounds = { recipients: 100, errors: 20, junk: 50, lengthMs: 3_600_000, mode: { kind: 'enforce' } }

describe('session gate', () => {
  function findings(changes: Partial<Subject> & { counts?: Partial<Subject['session']> }, bounds = BOUNDS): Finding[] {
    const found: Finding[] = []
    const { counts, ...rest } = changes
    const base = subject({ stage: 'command', ...rest })
    const gate = sessionGate(bounds)
    assert.ok(gate.stages.includes(base.stage))
    gate.inspect!({ ...base, session: { ...base.session, ...counts } }, found, { score: undefined })
    return found
  }

  const names = (found: readonly Finding[]) => found.map(({ rule }) => rule.name)

  it('lets a session do what is allowed, and finds the first thing beyond', () => {
    for (const stage of ['command', 'mail', 'rcpt'] as Stage[]) {
      assert.deepEqual(names(findings({ stage, counts: { errors: 20, junk: 50, recipients: 100 } })), [])
    }
    assert.deepEqual(names(findings({ counts: { errors: 21 } })), ['session_errors'])
    assert.deepEqual(names(findings({ counts: { junk: 51 } })), ['session_junk'])
    const [found] = findings({ counts: { errors: 21 } })
    assert.deepEqual([found!.count, found!.limit, found!.retryAfterMs, found!.reason], [21, 20, 0, 'limit'])
  })

  it('counts recipients only where they are named, and leaves the session open for the rest of the message', () => {
    assert.deepEqual(names(findings({ stage: 'mail', counts: { recipients: 101 } })), [])
    const [found] = findings({ stage: 'rcpt', counts: { recipients: 101 } })
    assert.equal(found!.rule.name, 'session_recipients')
    assert.equal(found!.rule.ends, false)
    assert.equal(found!.rule.remedy, 'defer')
  })

  it('ends a session that is too long only where a new message begins', () => {
    const startedAt = AT - BOUNDS.lengthMs - 1
    assert.deepEqual(names(findings({ stage: 'mail', counts: { startedAt } })), ['session_length'])
    assert.deepEqual(names(findings({ stage: 'rcpt', counts: { startedAt } })), [])
    assert.deepEqual(names(findings({ stage: 'mail', counts: { startedAt: startedAt + 1 } })), [])
    assert.equal(findings({ stage: 'mail', counts: { startedAt } })[0]!.rule.ends, true)
  })

  it('finds everything at once, errors and junk only where they grow', () => {
    const counts = { errors: 99, junk: 99, recipients: 999 }
    assert.deepEqual(names(findings({ counts })), ['session_errors', 'session_junk'])
    assert.deepEqual(names(findings({ stage: 'rcpt', counts })), ['session_recipients'])
  })

  it('holds no trusted client', () => {
    const client = { ...subject().client, trusted: true }
    assert.deepEqual(names(findings({ client, counts: { errors: 99 } })), [])
  })

  it('acts by its mode: canary by client', () => {
    const shadow = findings({ counts: { errors: 99 } }, { ...BOUNDS, mode: { kind: 'shadow' } })
    assert.equal(shadow[0]!.enforced, false)
    const mode = { kind: 'canary', percent: 50 } as const
    const enforced = new Set<boolean>()
    for (let index = 0; index < 30; index++) {
      const client = { ...subject().client, ip: `192.0.2.${index}` }
      const [found] = findings({ client, counts: { errors: 99 } }, { ...BOUNDS, mode })
      assert.equal(found!.enforced, isEnforced(mode, client.ip))
      enforced.add(found!.enforced)
    }
    assert.equal(enforced.size, 2)
  })

  it('asks the store nothing, and when off nothing at all', () => {
    const asks: never[] = []
    sessionGate(BOUNDS).ask(subject(), asks, [])
    assert.deepEqual(asks, [])
    assert.deepEqual(sessionGate({ ...BOUNDS, mode: { kind: 'off' } }).stages, [])
  })
})
