import assert from 'node:assert/strict'
import { demandsOfProfile } from '../../../../src/haraka/outbound/demands'
import { mergeLayers, profileOf } from '../../../../src/egress/profile'
import { BASE, layer } from '../../egress/fixtures'

describe('what a profile asks of a session', () => {
  const demandsWith = (figures: Parameters<typeof layer>[2], unset: Parameters<typeof layer>[3] = []) =>
    demandsOfProfile('egress|default|far', profileOf(mergeLayers([BASE, layer('domain', 'far.test', figures, unset)])))

  it('is its limits, its deadlines and its TLS', () => {
    const { messages, idleMs, timeouts, tls } = demandsWith({ tls: 'required' })
    assert.deepEqual([messages, idleMs], [100, 5000])
    assert.deepEqual(tls, { demand: 'required', minVersion: 'TLSv1.2' })
    assert.deepEqual(timeouts, {
      ...{ connect: 1000, greeting: 2000, hello: 3000, starttls: 4000, auth: 5000, mail: 5000 },
      ...{ rcpt: 6000, data: 7000, block: 180_000, dot: 8000, rset: 30_000 },
    })
  })

  it('is a session for each message where sessions are off', () => {
    const { messages, idleMs } = demandsWith({ sessions: 'off' })
    assert.deepEqual([messages, idleMs], [1, 0])
  })

  it('is no limit of messages where there is none', () => {
    assert.equal(demandsWith({}, ['sessions.messages']).messages, Infinity)
  })
})
