import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Evidence, OUTCOME_KINDS, type OutcomeKind } from '../../../src/egress/controller-evidence'

const WINDOW = 300_000

describe('evidence about a path', () => {
  let evidence: Evidence
  beforeEach(() => (evidence = new Evidence(WINDOW)))
  const note = (kind: OutcomeKind, at: number) => evidence.note({ kind, at, code: 421, text: '4.7.0 later' })

  it('counts by kind, and tells what speaks against the path', () => {
    const start = 1_700_000_000_000
    OUTCOME_KINDS.forEach((kind, index) => {
      for (let time = 0; time <= index; time++) note(kind, start + index * 1000)
    })
    assert.deepEqual(evidence.at(start + 10_000), {
      delivered: 1,
      throttled: 2,
      deferred: 3,
      unreachable: 4,
      bounced: 5,
      attempts: 15,
      soft: 9,
      spanMs: 10_000,
      last: '421 4.7.0 later',
    })
    evidence.clear()
    assert.deepEqual([evidence.at(start + 10_000).attempts, evidence.at(start + 10_000).last], [0, ''])
  })

  it('forgets by tenths of the window, a tenth too soon at most (property)', () => {
    const waits = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(waits, (gaps) => {
        evidence = new Evidence(WINDOW)
        let now = 1_700_000_000_000
        const times: number[] = []
        for (const gap of gaps) {
          now += gap
          note('deferred', now)
          times.push(now)
        }
        const { deferred, spanMs } = evidence.at(now)
        const within = (ms: number) => times.filter((at) => at > now - ms).length
        assert.ok(deferred >= within(WINDOW * 0.9) && deferred <= within(WINDOW), `${deferred}`)
        assert.ok(spanMs <= WINDOW)
        assert.equal(evidence.at(now + WINDOW).attempts, 0)
      }),
    )
  })

  it('bears a clock that is put back', () => {
    const start = 1_700_000_000_000
    note('deferred', start)
    note('deferred', start - 20_000)
    assert.equal(evidence.at(start).deferred, 2)
    note('deferred', start - 86_400_000)
    assert.equal(evidence.at(start - 86_400_000).deferred, 1)
  })

  it('cuts what the other side says', () => {
    evidence.note({ kind: 'deferred', at: 1, text: 'x'.repeat(1_000_000) })
    assert.equal(evidence.at(1).last.length, 160)
  })
})
