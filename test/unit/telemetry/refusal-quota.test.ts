import assert from 'node:assert/strict'
import { RefusalQuota } from '../../../src/telemetry/refusal-quota'
import { AT, decision, outcome, rule, shadowed, subject } from './fixtures'

const MINUTE = 60_000

describe('quota of recorded refusals', () => {
  const refused = (ip: string, at: number, name = 'ban') =>
    outcome({
      subject: subject({ stage: 'connect', at, client: { ...subject().client, ip } }),
      decisions: [decision({ rule: rule({ name }) })],
    })

  it('lets the first refusal of a client and a rule in each minute through', () => {
    const quota = new RefusalQuota()
    assert.equal(quota.allows(refused('192.0.2.1', AT)), true)
    assert.equal(quota.allows(refused('192.0.2.1', AT + 1)), false)
    assert.equal(quota.allows(refused('192.0.2.1', AT + MINUTE - 1)), false)
    assert.equal(quota.allows(refused('192.0.2.2', AT + 1)), true)
    assert.equal(quota.allows(refused('192.0.2.1', AT + 1, 'connections')), true)
    assert.equal(quota.allows(refused('192.0.2.1', AT + MINUTE)), true)
  })

  it('lets a burst of different clients through, then a few a second', () => {
    const quota = new RefusalQuota()
    let client = 0
    const among = (count: number, at: number) =>
      Array.from({ length: count }, () => quota.allows(refused(`c${client++}`, at))).filter(Boolean).length
    assert.equal(among(10_000, AT), 500)
    assert.equal(among(1000, AT + 2000), 20)
    assert.equal(among(1000, AT + 2050), 0)
    assert.equal(among(10_000, AT + 3_600_000), 500)
  })

  it('takes what is accepted, delayed, found in shadow, or happens in a session, always', () => {
    const quota = new RefusalQuota()
    const connect = subject({ stage: 'connect' })
    for (const told of [
      outcome({ subject: connect }),
      outcome({ subject: connect, decisions: [shadowed] }),
      outcome({ subject: connect, decisions: [decision({ action: 'delay' })] }),
      outcome({ subject: subject({ stage: 'mail' }), decisions: [decision()] }),
    ]) {
      for (let time = 0; time < 1000; time++) assert.equal(quota.allows(told), true)
    }
  })

  it('outlives a clock that goes back', () => {
    const quota = new RefusalQuota()
    quota.allows(refused('192.0.2.1', AT))
    assert.equal(quota.allows(refused('192.0.2.1', AT - 86_400_000)), true)
    assert.equal(quota.allows(refused('192.0.2.1', AT)), true)
  })
})
