import assert from 'node:assert/strict'
import { type SuppressionPolicy, suppressGate } from '../../../../src/gates/suppress/suppress-gate'
import { replyFor } from '../../../../src/haraka/reply'
import type { Outcome } from '../../../../src/policy/decision'
import { judgeStage, planGates } from '../../../../src/policy/pipeline'
import type { Suppression } from '../../../../src/policy/suppression'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { subject } from '../../telemetry/fixtures'

const KEEP = { hard_bounce: 1, complaint: 1, unsubscribe: 1, manual: 1 }
const BOB: Suppression = {
  ...{ address: 'bob@far.test', tenant: undefined, reason: 'complaint', detail: 'abuse' },
  ...{ since: 1_790_000_000_000, until: 1_800_000_000_000, by: 'feedback' },
}

function judge(suppressed: Suppression | undefined, more: Partial<SuppressionPolicy> = {}): Outcome {
  const gate = suppressGate({ mode: { kind: 'enforce' }, atRcpt: 'refuse', keepMs: KEEP, ...more })
  return judgeStage(planGates([gate]), subject({ stage: 'rcpt_ok', suppressed }), new MemoryStore()) as Outcome
}

describe('the gate of suppressed recipients', () => {
  it('refuses with 550 5.1.1, the reason and what undoes it', () => {
    const [decision] = judge(BOB).decisions
    const { message } = replyFor(decision!) as { message: { code: number; reply: string } }
    assert.equal(message.code, 550)
    assert.match(
      message.reply,
      /^5\.1\.1 bob@far\.test is suppressed since 2026-09-21: its owner has complained \(abuse\)\. To undo: sluice suppress remove bob@far\.test \(sluice suppressed \w+\)$/,
    )
    assert.equal(decision!.key, 'suppress|g|bob@far.test')
  })

  it('says no more than a reply holds, in ASCII', () => {
    const long = {
      ...BOB,
      address: `${'ü'.repeat(32)}@${'long.'.repeat(48)}test`,
      tenant: 'ä'.repeat(300),
      detail: 'ö'.repeat(200),
    }
    const { message } = replyFor(judge(long).decisions[0]!) as { message: { reply: string } }
    assert.match(message.reply, /^[\x20-\x7e]{1,506}$/)
  })

  it('drops where it is told to: the client is answered nothing', () => {
    const { decisions, answers } = judge(BOB, { atRcpt: 'drop' })
    assert.deepEqual([decisions[0]!.action, answers.size], ['drop', 0])
  })

  it('only tells in shadow, and is not there when off', () => {
    const shadow = judge(BOB, { mode: { kind: 'shadow' } })
    assert.deepEqual([shadow.decisions[0]!.action, shadow.answers.size], ['accept', 0])
    assert.deepEqual(judge(BOB, { mode: { kind: 'off' } }).decisions, [])
    assert.deepEqual(judge(undefined).decisions, [])
  })
})
