import assert from 'node:assert/strict'
import { NO_PTR, type RdnsPolicy, rdnsGate } from '../../../../src/gates/rdns/rdns-gate'
import { parseIp } from '../../../../src/keys/address'
import type { Exemption, Finding } from '../../../../src/policy/decision'
import type { Subject } from '../../../../src/policy/subject'
import { subject } from '../../telemetry/fixtures'

describe('rdns gate', () => {
  const clientAt = (ip: string) => ({ ip, address: parseIp(ip)!, trusted: false })
  const nameless = { client: clientAt('2001:db8::7'), signals: [{ source: 'rdns', name: NO_PTR, weight: 0 }] }

  function judge(changes: Partial<Subject>, policy: Partial<RdnsPolicy> = {}) {
    const gate = rdnsGate({ mode: { kind: 'enforce' }, missingIpv6: 'defer', ...policy })
    const [findings, exemptions]: [Finding[], Exemption[]] = [[], []]
    if (gate.stages.length === 0) return { findings, exemptions }
    gate.ask(subject(changes), [], exemptions)
    gate.inspect!(subject(changes), findings, { score: undefined })
    return { findings, exemptions }
  }

  it('refuses an IPv6 client without a name, as configured', () => {
    assert.equal(judge(nameless).findings[0]!.rule.remedy, 'defer')
    assert.equal(judge(nameless, { missingIpv6: 'reject' }).findings[0]!.rule.remedy, 'reject')
    assert.equal(judge(nameless, { mode: { kind: 'shadow' } }).findings[0]!.enforced, false)
    assert.deepEqual(judge(nameless, { missingIpv6: 'signal' }).findings, [])
    assert.deepEqual(judge(nameless, { mode: { kind: 'off' } }).findings, [])
  })

  it('refuses nobody else', () => {
    assert.deepEqual(judge({ ...nameless, client: clientAt('192.0.2.7') }).findings, [])
    assert.deepEqual(judge({ ...nameless, signals: [] }).findings, [])
    const generic = [{ source: 'rdns', name: 'generic', weight: 2 }]
    assert.deepEqual(judge({ ...nameless, signals: generic }).findings, [])
    const { findings, exemptions } = judge({ ...nameless, account: 'ann', direction: 'submission' })
    assert.deepEqual([findings, exemptions], [[], [{ rule: 'rdns', because: 'authenticated' }]])
  })
})
