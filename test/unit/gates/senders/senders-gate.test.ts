import assert from 'node:assert/strict'
import { sendersGate } from '../../../../src/gates/senders/senders-gate'
import type { Outcome } from '../../../../src/policy/decision'
import { judgeStage, planGates } from '../../../../src/policy/pipeline'
import type { SenderOrder } from '../../../../src/policy/subject'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, subject } from '../../telemetry/fixtures'

const HOUR = 3_600_000

describe('what is ordered for senders', () => {
  let store: MemoryStore
  beforeEach(() => {
    store = new MemoryStore({ clock: () => AT })
  })

  const order = (changes: Partial<SenderOrder>): SenderOrder => ({
    ...{ id: 'K7Q2MX', target: 'sender|account|ann@near.test', who: 'account ann@near.test' },
    ...{ since: AT - HOUR, until: AT + HOUR, holds: true },
    ...changes,
  })
  const judge = async (stage: 'mail' | 'rcpt_ok', ...orders: SenderOrder[]): Promise<Outcome> =>
    judgeStage(planGates([sendersGate()]), subject({ stage, orders, direction: 'submission' }), store)
  const found = ({ decisions }: Outcome) =>
    decisions.map(({ rule, action, ref, reason }) => [rule.name, action, reason, ref])

  it('defers who is paused, by the id of what was ordered', async () => {
    const outcome = await judge('mail', order({ suspended: true }))
    assert.deepEqual(found(outcome), [['sender_paused', 'defer', 'paused', 'K7Q2MX']])
    assert.equal(outcome.decisions[0]!.retryAfterMs, HOUR)
    assert.deepEqual(found(await judge('rcpt_ok', order({ suspended: true }))), [], 'once is enough')
  })

  it('lets everybody else pass, and in shadow says what it would have done', async () => {
    assert.deepEqual(found(await judge('mail')), [])
    const shadow = await judge('mail', order({ suspended: true, holds: false }))
    assert.deepEqual(found(shadow), [['sender_paused', 'accept', 'paused', 'K7Q2MX']])
  })

  it('holds who is slowed down to so many recipients', async () => {
    const slow = order({ messageRate: { limit: 2, windowMs: HOUR } })
    for (let count = 0; count < 2; count++) assert.deepEqual(found(await judge('rcpt_ok', slow)), [])
    const [[rule, action] = []] = found(await judge('rcpt_ok', slow))
    assert.deepEqual([rule, action], ['sender_slowed', 'defer'])
    assert.deepEqual(found(await judge('rcpt_ok', order({ ...slow, target: 'sender|tenant|other' }))), [])
    assert.deepEqual(found(await judge('mail', slow)), [], 'messages are not counted')
  })

  it('counts in shadow without holding anybody', async () => {
    const slow = order({ messageRate: { limit: 1, windowMs: HOUR }, holds: false })
    await judge('rcpt_ok', slow)
    assert.deepEqual(
      found(await judge('rcpt_ok', slow)).map(([rule, action]) => [rule, action]),
      [['sender_slowed', 'accept']],
    )
  })
})
