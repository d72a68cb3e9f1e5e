import assert from 'node:assert/strict'
import { type Overload, overloadGate } from '../../../../src/gates/overload/overload-gate'
import { parseIp } from '../../../../src/keys/address'
import type { Exemption, Finding } from '../../../../src/policy/decision'
import { NOTHING_DONE, type Subject } from '../../../../src/policy/subject'
import { AT, subject } from '../../telemetry/fixtures'

const AGAIN_MS = 60_000

describe('overload gate', () => {
  const clientAt = (ip: string, trusted = false) => ({ ip, address: parseIp(ip)!, asn: undefined, trusted })
  const fresh = { leaseId: 'abcdefghijkl', startedAt: AT, ...NOTHING_DONE }

  function judge(changes: Partial<Subject>, overload: Partial<Overload> = {}): Finding | undefined {
    const gate = overloadGate({ mode: { kind: 'enforce' }, holdMs: 5000, againMs: AGAIN_MS, ...overload })
    const findings: Finding[] = []
    gate.inspect?.(subject({ stage: 'connect', session: fresh, ...changes }), findings, { score: undefined })
    assert.ok(findings.length <= 1)
    return findings[0]
  }

  const MANY = Array.from({ length: 2000 }, (_, index) => `198.51.${100 + (index >> 8)}.${index & 255}`)
  const deferredShare = (changes: Partial<Subject>) =>
    MANY.filter((ip) => judge({ ...changes, client: clientAt(ip) })?.rule.remedy === 'defer').length / MANY.length

  it('finds nothing below the first step', () => {
    assert.equal(judge({ load: 0 }), undefined)
    assert.equal(judge({ load: 0.9 }), undefined)
  })

  it('has strangers wait in the first step, the longer the nearer the second, and lets in who has waited', () => {
    const [short, long] = [judge({ load: 1.2 })!, judge({ load: 1.8 })!]
    assert.equal(short.rule.remedy, 'delay')
    assert.deepEqual([short.retryAfterMs, long.retryAfterMs], [1000, 4000])
    assert.equal(judge({ load: 1 })!.retryAfterMs, 500)
    assert.equal(judge({ load: 1.9, session: { ...fresh, startedAt: AT - 550 } }), undefined)
    assert.equal(judge({ load: 1.8, familiar: true }), undefined)
  })

  it('defers a growing share of the strangers, then all', () => {
    for (const [load, share] of [
      [2, 0],
      [2.1, 0.1],
      [2.5, 0.5],
      [2.9, 0.9],
      [3, 1],
      [4, 1],
    ] as const) {
      const found = deferredShare({ load })
      assert.ok(Math.abs(found - share) < 0.03, `at ${load}: ${found}`)
    }
  })

  it('asks strangers again at MAIL and DATA, and lets known clients finish', () => {
    for (const stage of ['mail', 'data'] as const) {
      const share = deferredShare({ stage, load: 2.5 })
      assert.ok(Math.abs(share - 0.5) < 0.03, `at ${stage}: ${share}`)
      assert.equal(deferredShare({ stage, load: 3 }), 1)
      assert.equal(judge({ stage, load: 1.9 }), undefined, 'nobody is held in the middle of a session')
      assert.equal(judge({ stage, load: 4, familiar: true }), undefined)
      assert.equal(judge({ stage, load: 4, client: clientAt('192.0.2.1', true) }), undefined)
      assert.equal(judge({ stage, load: 4 }, { mode: { kind: 'shadow' } }), undefined, 'told at connect')
      assert.equal(judge({ stage: 'connect', load: 4 }, { mode: { kind: 'shadow' } })?.enforced, false)
    }
  })

  it('lets all known clients in until all strangers are deferred, then a shrinking share', () => {
    for (const [load, share] of [
      [2.99, 0],
      [3, 0],
      [3.3, 0.3],
      [4, 1],
    ] as const) {
      const found = deferredShare({ load, familiar: true })
      assert.ok(Math.abs(found - share) < 0.03, `at ${load}: ${found}`)
    }
  })

  it('defers whom it has deferred before when the load rises', () => {
    for (const ip of MANY.slice(0, 300)) {
      const client = clientAt(ip)
      if (judge({ load: 2.3, client })) assert.ok(judge({ load: 2.6, client }), ip)
    }
  })

  it('tells the time at which a client draws its lot anew, and never sooner', () => {
    const client = clientAt(MANY[7]!)
    const { retryAfterMs } = judge({ load: 3, client })!
    assert.ok(retryAfterMs > 0 && retryAfterMs <= AGAIN_MS)
    assert.equal(judge({ load: 3, client, at: AT + retryAfterMs - 1 })!.retryAfterMs, 1)
    assert.equal(judge({ load: 3, client, at: AT + retryAfterMs })!.retryAfterMs, AGAIN_MS)
  })

  it('lets everybody in within some slices at half load, and does not bring all back at once', () => {
    const waits = new Set<number>()
    for (const ip of MANY.slice(0, 300)) {
      const client = clientAt(ip)
      const tries = Array.from({ length: 20 }, (_, slice) => judge({ load: 2.5, client, at: AT + slice * AGAIN_MS }))
      assert.ok(tries.includes(undefined), `${ip} never gets in`)
      waits.add(judge({ load: 3, client })!.retryAfterMs)
    }
    assert.ok(waits.size > 200)
  })

  it('never holds trusted networks, and says so', () => {
    const trusted = { client: clientAt('192.0.2.1', true) }
    assert.equal(judge({ load: 4, ...trusted }), undefined)
    const exemptions: Exemption[] = []
    const gate = overloadGate({ mode: { kind: 'enforce' }, holdMs: 5000, againMs: AGAIN_MS })
    gate.ask(subject({ stage: 'connect', load: 0, ...trusted }), [], exemptions)
    gate.ask(subject({ stage: 'mail', load: 4, ...trusted }), [], exemptions)
    assert.deepEqual(exemptions, [], 'once a session')
    gate.ask(subject({ stage: 'connect', load: 4, ...trusted }), [], exemptions)
    assert.deepEqual(exemptions, [{ rule: 'overload', because: 'trusted network' }])
  })

  it('obeys its mode', () => {
    assert.equal(judge({ load: 3 }, { mode: { kind: 'shadow' } })!.enforced, false)
    assert.equal(judge({ load: 3 })!.enforced, true)
    assert.deepEqual(overloadGate({ mode: { kind: 'off' }, holdMs: 1, againMs: 1000 }).stages, [])
  })

  it('says what a reader of decisions needs', () => {
    const { key, count, limit, reason } = judge({ load: 3.5, client: clientAt('192.0.2.9') })!
    assert.deepEqual(
      { key, count, limit, reason },
      {
        ...{ key: 'overload|stranger|192.0.2.9', count: 3.5, limit: 2, reason: 'overload' },
      },
    )
    assert.match(judge({ load: 4, familiar: true })!.key, /^overload\|known\|/)
  })
})
