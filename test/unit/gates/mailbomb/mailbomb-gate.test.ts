import assert from 'node:assert/strict'
import { tookAsk } from '../../../../src/gates/correspondents/correspondents'
import { type MailbombPolicy, mailbombGate } from '../../../../src/gates/mailbomb/mailbomb-gate'
import { parseIp } from '../../../../src/keys/address'
import { hash32 } from '../../../../src/keys/key'
import { NULL_SENDER, foldRecipient, foldSender } from '../../../../src/keys/mailbox'
import type { Outcome } from '../../../../src/policy/decision'
import { judgeStage, planGates } from '../../../../src/policy/pipeline'
import type { Subject } from '../../../../src/policy/subject'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { AT, subject } from '../../telemetry/fixtures'

const POLICY: MailbombPolicy = {
  mode: { kind: 'enforce' },
  strangers: 10,
  windowMs: 600_000,
  memoryMs: 90 * 86_400_000,
  correspondentsMs: 90 * 86_400_000,
}
const VICTIM = foldRecipient('victim', 'local.test')

describe('mailbomb gate', () => {
  let now: number
  let store: MemoryStore
  beforeEach(() => {
    now = AT
    store = new MemoryStore({ clock: () => now })
  })

  function judge(changes: Partial<Subject>, policy = POLICY): Outcome {
    const about = subject({ stage: 'rcpt_ok', recipient: VICTIM, ...changes })
    const outcome = judgeStage(planGates([mailbombGate(policy)]), about, store)
    assert.ok(!(outcome instanceof Promise))
    return outcome
  }
  /** A sender with a network of its own. */
  const from = (local: string) => {
    const hash = hash32(local)
    return at(`11.${hash & 255}.${(hash >> 8) & 255}.7`, local)
  }
  const at = (ip: string, local: string) => ({
    client: { ip, address: parseIp(ip)!, trusted: false },
    sender: foldSender(local, 'news.example'),
  })
  const deferred = (changes: Partial<Subject>) => judge(changes).answers.has('mailbomb')

  it('defers new senders beyond the figure, until the window has moved', () => {
    const results = Array.from({ length: 40 }, (_, index) => deferred(from(`n${index}`)))
    const taken = results.filter((refused) => !refused).length
    // A sketch: what shares a bit with another looks known.
    assert.ok(taken >= 10 && taken <= 13, `${taken} taken`)
    now += 2 * POLICY.windowMs
    assert.ok(!deferred(from('late')))
  })

  it('lets no network fill it alone, whatever senders it invents', () => {
    for (let index = 0; index < 200; index++) {
      deferred(at('203.0.113.7', `forged${index}`))
      deferred(at(`2001:db8:66:${index.toString(16)}::1`, `forged${index}`))
    }
    // Two networks are six strangers at most.
    const results = ['ann', 'bob', 'eve', 'joe'].map((local) => deferred(from(local)))
    assert.deepEqual(results, [false, false, false, false])
  })

  it('takes its correspondents all the same: who wrote before, and to whom it wrote', () => {
    store.judge([tookAsk({ ...from('friend'), recipient: VICTIM }, POLICY.memoryMs)!])
    judge({ direction: 'submission', sender: VICTIM, recipient: foldRecipient('partner', 'example.org') })
    for (let index = 0; index < 40; index++) judge(from(`n${index}`))
    now += 3_600_000 - POLICY.windowMs
    for (let index = 0; index < 40; index++) judge(from(`m${index}`))
    assert.deepEqual(judge(from('friend')).exemptions, [
      { rule: 'mailbomb', because: 'a correspondent of this recipient' },
    ])
    assert.deepEqual(judge({ sender: foldSender('partner', 'example.org') }).exemptions, [
      { rule: 'mailbomb', because: 'the recipient has written to this sender' },
    ])
  })

  it('writes nothing about a sender whose message was not taken yet: addresses are quickly invented', async () => {
    for (let index = 0; index < 5; index++) judge(from(`n${index}`))
    assert.deepEqual(await store.list('known_sender|', 10), [])
    assert.equal(tookAsk({ sender: NULL_SENDER, recipient: VICTIM }, POLICY.memoryMs), undefined)
  })

  it('leaves other mailboxes alone, and counts bounces by network', () => {
    for (let index = 0; index < 40; index++) judge(from(`n${index}`))
    assert.ok(!deferred({ ...from('n1'), recipient: foldRecipient('other', 'local.test') }))
    const elsewhere = { recipient: foldRecipient('third', 'local.test'), sender: NULL_SENDER }
    for (let count = 0; count < 40; count++) assert.ok(!deferred(elsewhere), 'one network is one stranger')
  })

  it('counts nobody twice for one message, nor our own users', () => {
    for (let index = 0; index < 40; index++) assert.ok(!deferred({ ...from(`n${index}`), repeated: true }))
    for (let index = 0; index < 40; index++) assert.ok(!deferred({ ...from(`n${index}`), direction: 'submission' }))
    assert.ok(!deferred(from('first')))
  })

  it('refuses nobody in shadow, and is not asked when off', () => {
    const shadow: MailbombPolicy = { ...POLICY, mode: { kind: 'shadow' } }
    for (let index = 0; index < 40; index++) assert.equal(judge(from(`n${index}`), shadow).answers.size, 0)
    assert.deepEqual(mailbombGate({ ...POLICY, mode: { kind: 'off' } }).stages, [])
  })
})
