import assert from 'node:assert/strict'
import { replyFor, smtpReply } from '../../../src/haraka/reply'
import { DENY, DENYDISCONNECT, DENYSOFT, DENYSOFTDISCONNECT, type DsnReply } from '../../../src/haraka/types'
import type { Decision } from '../../../src/policy/decision'
import { decision } from '../telemetry/fixtures'

describe('reply', () => {
  function worded(given: Partial<Decision>): [number, string] {
    const { code, message } = replyFor(decision(given))
    return [code, String(message)]
  }

  it('is what Haraka takes for a reply with its own code, and readable in its log', () => {
    const reply = smtpReply(450, '4.7.1 Later')
    assert.equal((reply as DsnReply & object).constructor.name, 'DSN')
    assert.equal(String(reply), '450 4.7.1 Later')
  })

  it('says until when, or that it will never be', () => {
    assert.deepEqual(worded({ retryAfterMs: 36_500 }), [
      DENYSOFT,
      '450 4.7.1 Too many messages from this sender, try again in 37 seconds (sluice sender 7KQ2XYZ)',
    ])
    assert.match(worded({ retryAfterMs: Infinity })[1], /larger than the limit allows at any time/)
    assert.match(worded({ reason: 'store_unreachable', retryAfterMs: 0 })[1], /^450 4\.3\.2 Cannot check limits/)
  })

  it('says when to come back to a busy server', () => {
    const busy = { ...decision().rule, name: 'overload', text: 'Busy', ends: true }
    assert.deepEqual(worded({ rule: busy, reason: 'overload', stage: 'connect', retryAfterMs: 41_200 }), [
      DENYSOFTDISCONNECT,
      '421 4.3.2 Busy, try again in 42 seconds (sluice overload 7KQ2XYZ)',
    ])
  })

  it('ends the session at connect, and where the rule says so', () => {
    assert.equal(worded({ stage: 'connect' })[0], DENYSOFTDISCONNECT)
    assert.match(worded({ stage: 'connect' })[1], /^421 4\.7\.0 /)
    assert.equal(worded({ rule: { ...decision().rule, ends: true } })[0], DENYSOFTDISCONNECT)
  })

  it('is final where the rule rejects', () => {
    assert.deepEqual(worded({ action: 'reject' }), [
      DENY,
      '550 5.7.1 Too many messages from this sender (sluice sender 7KQ2XYZ)',
    ])
    assert.equal(worded({ action: 'reject', stage: 'connect' })[0], DENYDISCONNECT)
  })
})
