import assert from 'node:assert/strict'
import { buildOverrides, readOverrideKey } from '../../../../src/config/maps'
import { type DnsblPolicy, dnsblGate, silentName } from '../../../../src/gates/dnsbl/dnsbl-gate'
import { foldRecipient } from '../../../../src/keys/mailbox'
import type { Exemption, Finding } from '../../../../src/policy/decision'
import type { Notes } from '../../../../src/policy/gate'
import type { Signal } from '../../../../src/policy/signal'
import type { Subject } from '../../../../src/policy/subject'
import { subject } from '../../telemetry/fixtures'

const POLICY: DnsblPolicy = {
  mode: { kind: 'enforce' },
  defer: 4,
  reject: 8,
  allow: buildOverrides([]),
  banning: new Set(),
}
const listed = (weight: number, name = 'bad.test=127.0.0.2'): Signal => ({ source: 'dnsbl', name, weight })

function judge(changes: Partial<Subject>, policy: Partial<DnsblPolicy> = {}) {
  const gate = dnsblGate({ ...POLICY, ...policy })
  const [findings, exemptions, notes]: [Finding[], Exemption[], Notes] = [[], [], { score: undefined }]
  const judged = subject({ stage: 'rcpt', ...changes })
  gate.ask(judged, [], exemptions)
  gate.inspect!(judged, findings, notes)
  return { findings, exemptions, notes, remedy: findings[0]?.rule.remedy }
}

describe('dnsbl gate', () => {
  it('defers for one listing that is reason enough, whatever its points, unless good lists outweigh it', () => {
    const banning = new Set(['bad.test'])
    for (const policy of [{}, { defer: undefined, reject: undefined }]) {
      const [finding] = judge({ signals: [listed(1)] }, { ...policy, banning }).findings
      assert.deepEqual([finding?.rule.remedy, finding?.count, finding?.limit], ['defer', 1, 1])
    }
    assert.equal(judge({ signals: [listed(1)] }).remedy, undefined)
    assert.equal(judge({ signals: [listed(1, 'other.test=127.0.0.2')] }, { banning }).remedy, undefined)
    assert.equal(judge({ signals: [listed(1), listed(-1, 'good.test=127.0.5.1')] }, { banning }).remedy, undefined)
    assert.equal(judge({ signals: [listed(9)] }, { banning }).remedy, 'reject')
  })

  it('defers and refuses from its thresholds on, by the sum', () => {
    const remedies = [3.9, 4, 7.9, 8, 99].map((weight) => judge({ signals: [listed(weight)] }).remedy)
    assert.deepEqual(remedies, [undefined, 'defer', 'defer', 'reject', 'reject'])
    assert.equal(judge({ signals: [listed(5), listed(-2, 'good.test=127.0.5.2')] }).remedy, undefined)
    assert.equal(judge({ signals: [listed(5), listed(3, 'other.test=127.0.0.2')] }).remedy, 'reject')
    assert.equal(judge({ signals: [listed(9)] }, { reject: undefined }).remedy, 'defer')
    assert.equal(judge({ signals: [listed(9)] }, { reject: undefined, defer: undefined }).remedy, undefined)
  })

  it('counts lists and nothing else', () => {
    assert.equal(judge({ signals: [{ source: 'rdns', name: 'no_ptr', weight: 99 }] }).remedy, undefined)
    assert.deepEqual(judge({ signals: [] }).findings, [])
  })

  it('refuses for good only when all lists of the good were heard', () => {
    const silent = { source: 'dnsbl', name: silentName('good.test'), weight: 0 }
    assert.equal(judge({ signals: [listed(9), silent] }).remedy, 'defer')
  })

  it('names the gravest lists, each once, and none of the good', () => {
    const signals = [
      listed(2, 'a.test=127.0.0.2'),
      listed(3, 'b.test=127.0.0.2'),
      listed(3, 'b.test=127.0.0.3'),
      listed(1, 'c.test=127.0.0.2'),
      listed(0.5, 'd.test=127.0.0.2'),
      listed(-1, 'good.test=127.0.5.1'),
    ]
    assert.equal(judge({ signals }).findings[0]!.rule.text, 'Listed by b.test, a.test, c.test')
  })

  it('leaves evidence', () => {
    const { findings, notes } = judge({ signals: [listed(8)] })
    const { key, count, limit, reason, enforced } = findings[0]!
    assert.deepEqual(
      { key, count, limit, reason, enforced },
      {
        ...{ key: 'dnsbl|192.0.2.1', count: 8, limit: 8, reason: 'dnsbl', enforced: true },
      },
    )
    assert.equal(notes.score!.total, 8)
  })

  it('enforces nothing in shadow, and is not there when off', () => {
    assert.equal(judge({ signals: [listed(8)] }, { mode: { kind: 'shadow' } }).findings[0]!.enforced, false)
    assert.deepEqual(dnsblGate({ ...POLICY, mode: { kind: 'off' } }).stages, [])
  })

  const { client } = subject()
  const [postmaster] = [readOverrideKey('postmaster@local.test')].flatMap((read) =>
    'value' in read ? [read.value] : [],
  )
  const allow = buildOverrides([{ key: postmaster!, value: 'exempt' }])
  for (const [who, changes, because] of [
    ['a trusted network', { client: { ...client, trusted: true } }, 'trusted network'],
    ['who has logged in', { account: 'ann', direction: 'submission' }, 'authenticated'],
    ['who may relay', { direction: 'submission' }, 'may relay'],
    [
      'who writes to an allowed mailbox',
      { recipient: foldRecipient('Postmaster', 'local.test') },
      'dnsbl.allow postmaster@local.test',
    ],
  ] as const)
    it(`leaves ${who} alone, and says so only of who is listed`, () => {
      const { findings, exemptions, notes } = judge({ ...changes, signals: [listed(9)] }, { allow })
      assert.deepEqual([findings, notes.score], [[], undefined])
      assert.deepEqual(exemptions, [{ rule: 'dnsbl', because }])
      assert.deepEqual(judge({ ...changes, signals: [] }, { allow }).exemptions, [])
    })
})
