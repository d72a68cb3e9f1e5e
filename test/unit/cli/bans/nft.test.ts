import assert from 'node:assert/strict'
import { nftSet } from '../../../../src/cli/bans/nft'
import { parseCidr } from '../../../../src/keys/address'
import type { Ban } from '../../../../src/policy/ban'
import { AT, DAY, HOUR, banOn } from '../../gates/jail/fixtures'

describe('bans for nft', () => {
  const ruleset = (bans: readonly Ban[], never: readonly string[] = []) =>
    nftSet(
      bans,
      never.map((text) => parseCidr(text)!),
      'sluice',
      AT,
    )

  /** Elements of a set. */
  function elements(name: string, text: string): string[] {
    const found = new RegExp(`set ${name} \\{[^{]*elements = \\{([^}]*)\\}`).exec(text)
    return (found?.[1] ?? '').split(',').flatMap((element) => element.trim() || [])
  }

  it('are each network with the time that is left', () => {
    const text = ruleset([
      banOn('192.0.2.7', { until: AT + 1500 }),
      banOn('2001:db8::/48'),
      banOn('198.51.100.1', { until: AT + 900 * DAY }),
      banOn('account:ann'),
      banOn('domain:spam.example'),
    ])
    assert.deepEqual(elements('banned4', text), ['192.0.2.7 timeout 2s', '198.51.100.1 timeout 31622400s'])
    assert.deepEqual(elements('banned6', text), ['2001:db8::/48 timeout 3600s'])
    assert.match(text, /^table inet sluice\ndelete table inet sluice\ntable inet sluice \{\n/)
  })

  it('do not overlap: the wider one goes', () => {
    const bans = ['192.0.2.7', '192.0.2.0/24', '192.0.0.0/16', '192.1.0.0/24', '192.0.2.0/25'].map((text) =>
      banOn(text),
    )
    assert.deepEqual(elements('banned4', ruleset(bans)), ['192.0.0.0/16 timeout 3600s', '192.1.0.0/24 timeout 3600s'])
  })

  it('are none that have ended', () => {
    const text = ruleset([banOn('192.0.2.7', { until: AT })])
    assert.deepEqual(elements('banned4', text), [])
    assert.match(text, /set banned4 \{\n {4}type ipv4_addr\n {4}flags interval, timeout\n {2}\}/)
  })

  it('do not reach into what is never banned', () => {
    const text = ruleset([banOn('192.0.2.0/24')], ['192.0.2.7', '192.0.2.0/28', '2001:db8:7::/48', '10.0.0.0/7'])
    const never4 = elements('never4', text)
    assert.ok(never4.includes('192.0.2.0/28') && never4.includes('10.0.0.0/7') && never4.includes('127.0.0.0/8'))
    assert.ok(!never4.includes('192.0.2.7') && !never4.includes('10.0.0.0/8'), 'no overlaps')
    assert.ok(elements('never6', text).includes('2001:db8:7::/48'))
    assert.ok(text.indexOf('@never4 return') < text.indexOf('@banned4'))
  })

  it('let go of everything else', () => {
    const rules = ruleset([banOn('192.0.2.7', { until: AT + HOUR })]).split('\n')
    assert.ok(rules.includes('    ip saddr @banned4 tcp dport { 25, 465, 587 } drop'))
    assert.ok(rules.includes('    type filter hook input priority filter - 10; policy accept;'))
  })
})
