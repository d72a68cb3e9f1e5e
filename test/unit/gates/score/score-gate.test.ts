import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type ScorePolicy, scoreGate, scoreOf } from '../../../../src/gates/score/score-gate'
import type { Finding } from '../../../../src/policy/decision'
import type { Notes } from '../../../../src/policy/gate'
import type { Signal } from '../../../../src/policy/signal'
import type { Subject } from '../../../../src/policy/subject'
import { subject } from '../../telemetry/fixtures'

const WEIGHTS = { spf_fail: 3, spf_softfail: 1, auth_failure: 1, unknown_recipient: 0.5, error: 0.25, early: 4 }
const POLICY: ScorePolicy = {
  mode: { kind: 'enforce' },
  thresholds: { delay: 4, defer: 8, reject: 12 },
  holdMs: 5000,
  weights: WEIGHTS,
}
const listed = (weight: number): Signal => ({ source: 'dnsbl', name: 'zen.example', weight })

function judge(changes: Partial<Subject>, policy = POLICY): { found: Finding[]; notes: Notes } {
  const found: Finding[] = []
  const notes: Notes = { score: undefined }
  scoreGate(policy).inspect!(subject({ stage: 'rcpt', ...changes }), found, notes)
  return { found, notes }
}

describe('score gate', () => {
  it('adds up what speaks for and against a stranger', () => {
    const session = { ...subject().session, authFailures: 1, unknownRecipients: 2, errors: 5, early: true }
    const signals = [listed(5), { source: 'reputation', name: 'client', weight: -1.5 }]
    const score = scoreOf(subject({ session, signals, spf: 'softfail' }), WEIGHTS)!
    assert.deepEqual(
      score.parts.map(({ name, weight }) => [name, weight]),
      [
        ['zen.example', 5],
        ['client', -1.5],
        ['spf_softfail', 1],
        ['auth_failure', 1],
        ['unknown_recipient', 1],
        ['error', 0.5],
        ['early', 4],
      ],
    )
    assert.equal(score.total, 11)
  })

  it('does the gravest that the sum has reached, and nothing below', () => {
    const remedies = [3.9, 4, 7.99, 8, 11.9, 12, 99].map((weight) => {
      const [finding] = judge({ signals: [listed(weight)] }).found
      return finding?.rule.remedy
    })
    assert.deepEqual(remedies, [undefined, 'delay', 'delay', 'defer', 'defer', 'reject', 'reject'])
  })

  it('leaves out a step that is switched off', () => {
    const thresholds = { delay: undefined, defer: undefined, reject: 12 }
    assert.deepEqual(judge({ signals: [listed(11)] }, { ...POLICY, thresholds }).found, [])
    assert.equal(judge({ signals: [listed(12)] }, { ...POLICY, thresholds }).found[0]!.rule.remedy, 'reject')
  })

  it('tells the sum when nothing is done, so that everybody can read it', () => {
    const { found, notes } = judge({ signals: [listed(1)] })
    assert.deepEqual([found, notes.score?.total], [[], 1])
  })

  it('holds nobody twice for one thing, but goes on to what is graver', () => {
    assert.deepEqual(judge({ held: true, signals: [listed(5)] }).found, [])
    assert.equal(judge({ held: true, signals: [listed(8)] }).found[0]!.rule.remedy, 'defer')
  })

  it('says nothing of those who are no strangers', () => {
    const client = { ...subject().client, trusted: true }
    assert.deepEqual(judge({ client, signals: [listed(99)] }), { found: [], notes: { score: undefined } })
    assert.deepEqual(judge({ direction: 'submission', signals: [listed(99)] }).found, [])
  })

  it('never lets the order of signals matter', () => {
    const weights = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { maxLength: 20 })
    fc.assert(
      fc.property(weights, (list) => {
        const total = (order: readonly number[]) => scoreOf(subject({ signals: order.map(listed) }), WEIGHTS)!.total
        assert.ok(Math.abs(total(list) - total([...list].reverse())) <= 0.011)
      }),
    )
  })
})
