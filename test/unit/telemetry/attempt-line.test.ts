import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { AttemptEvent } from '../../../src/telemetry/events'
import { AT, attempt, delivered, unreached } from './fixtures'
import { fieldsOf, linesOf } from './lines'

/** What programs may read a line by. */
const FAILED = /^delivery=(?:deferred|bounced|mixed) provider=(\S+) source=\S+ class=(\S+) tenant=\S+ id=(\S+) /

describe('log lines of attempts to deliver', () => {
  it('writes what was not delivered as a notice', () => {
    assert.deepEqual(linesOf([attempt()]), [
      'notice delivery=deferred provider=google source=default class=system tenant=example.com ' +
        'id=0E1F2A3B-0000-4000-8000-000000000001.1.2 file=1785849725000_aBcDeF delivered=0 deferred=2 bounced=0 ' +
        'attempts=3 age_s=2520 waited_s=12.04 took_s=1.312 retry_s=300 session=reused tls=TLSv1.3 verified=yes ' +
        'phase=data code=421 failure=- about=rate scope=source rule=google_rate_ip connect_ms=- greeting_ms=- hello_ms=- starttls_ms=- auth_ms=- mail_ms=40 ' +
        'rcpt_ms=81 data_ms=1190 block_ms=- dot_ms=- path=egress|default|google domain=example.net ' +
        'host=gmail-smtp-in.l.google.example ip=198.51.100.26 enhanced=4.7.28 ' +
        'reason="Gmail has detected an unusual rate\\u000aof unsolicited mail"',
    ])
  })

  it('has the same fields in the same order whatever happened', () => {
    const bare = attempt({
      ...unreached,
      ...{ provider: undefined, tenant: '', host: undefined, ip: undefined, phase: undefined, text: '', phasesMs: {} },
    })
    const [full, empty] = linesOf([attempt(), bare]).map(fieldsOf)
    assert.deepEqual(Object.keys(empty!), Object.keys(full!))
    const unsaid = Object.entries(empty!).filter(([, value]) => value === '-')
    assert.deepEqual(
      unsaid.map(([name]) => name).filter((name) => !name.endsWith('_ms')),
      [
        ...['provider', 'tenant', 'session', 'tls', 'verified', 'phase', 'code', 'about', 'scope', 'rule'],
        ...['host', 'ip', 'enhanced', 'reason'],
      ],
    )
    assert.equal(empty!.failure, 'timeout')
  })

  it('says what an attempt came to, and how loud', () => {
    const came = (changes: Partial<AttemptEvent>) => /^(\w+ delivery=\w+) /.exec(linesOf([attempt(changes)])[0]!)?.[1]
    assert.equal(came(delivered), 'info delivery=delivered')
    assert.equal(came({ deferred: 0, bounced: 2 }), 'notice delivery=bounced')
    assert.equal(came({ delivered: 1, deferred: 0, bounced: 1 }), 'notice delivery=mixed')
    assert.equal(came({ deferred: 0 }), 'notice delivery=deferred')
    assert.deepEqual(linesOf([attempt(delivered)], false), [])
  })

  it('says when it is tried again, rounded up, and that it is not', () => {
    const retry = (retryAt: number | undefined) => fieldsOf(linesOf([attempt({ retryAt })])[0]!).retry_s
    assert.deepEqual([retry(AT + 1001), retry(AT - 5), retry(undefined)], ['2', '0', '-'])
    assert.equal(fieldsOf(linesOf([attempt({ verified: false })])[0]!).verified, 'no')
  })

  describe('in a flood', () => {
    const failed = (count: number, at: number, changes: Partial<AttemptEvent> = {}) =>
      Array.from({ length: count }, (_, index) => attempt({ at: at + index / count, ...changes }))
    const other = (at: number) => attempt({ at, path: 'egress|default|yahoo', provider: 'yahoo' })

    it('writes a few of one path, and says how many were left out', () => {
      const lines = linesOf([...failed(10_000, AT), other(AT + 1000), other(AT + 61_000)])
      assert.equal(lines.filter((line) => line.includes('provider=google')).length, 20)
      assert.equal(lines.filter((line) => line.includes('provider=yahoo')).length, 2)
      assert.deepEqual(
        lines.filter((line) => !line.includes('delivery=')),
        [
          'notice left out 9980 attempts that did not deliver, 9980 of them for egress|default|google: sluice why tells each',
        ],
      )
      const again = linesOf([...failed(30, AT), ...failed(30, AT + 50_000), other(AT + 61_000), other(AT + 62_000)])
      assert.equal(again.filter((line) => line.includes('provider=google')).length, 30)
      assert.equal(again.filter((line) => line.startsWith('notice left out 30 ')).length, 1)
    })

    it('leaves out nothing that was delivered, and lets deferrals hide no bounce', () => {
      const bounce = attempt({ deferred: 0, bounced: 2 })
      const lines = linesOf([...failed(100, AT), ...failed(100, AT, delivered), bounce])
      assert.equal(lines.filter((line) => line.startsWith('info delivery=delivered')).length, 100)
      assert.equal(lines.filter((line) => line.startsWith('notice delivery=bounced')).length, 1)
    })

    it('bounds the lines of ever so many paths', () => {
      const many = Array.from({ length: 20_000 }, (_, index) => attempt({ path: `egress|default|mx${index}.example` }))
      const lines = linesOf([...many, other(AT + 60_000)])
      assert.equal(lines.length, 502)
      assert.match(lines.at(-1)!, /^notice left out 19500 attempts that did not deliver, 1 of them for egress\|/)
    })
  })

  it('is one parseable line whatever others write', () => {
    const text = fc.string({ unit: 'binary', maxLength: 400 })
    const names = Object.keys(fieldsOf(linesOf([attempt()])[0]!))
    fc.assert(
      fc.property(text, text, text, text, (reply, host, domain, enhanced) => {
        const lines = linesOf([attempt({ text: reply, host, domain, enhanced, path: `egress|default|${host}` })])
        assert.equal(lines.length, 1)
        assert.match(lines[0]!, /^[\x20-\x7e…]*$/)
        const [, provider, mailClass, id] = FAILED.exec(lines[0]!.slice('notice '.length))!
        assert.deepEqual([provider, mailClass, id], ['google', 'system', attempt().id])
        const fields = fieldsOf(lines[0]!)
        assert.deepEqual(Object.keys(fields), names)
        if (reply !== '' && reply.length <= 300) assert.equal(JSON.parse(fields.reason!), reply)
      }),
    )
  })

  it('takes linear time for the longest hostile text', () => {
    const began = performance.now()
    const text = '"\\ \u0000delivery='.repeat(1000)
    const event = attempt({ text, host: text, domain: text, enhanced: text, path: text })
    for (let round = 0; round < 1000; round++) FAILED.test(linesOf([event])[0]!)
    assert.ok(performance.now() - began < 2000)
  })
})
