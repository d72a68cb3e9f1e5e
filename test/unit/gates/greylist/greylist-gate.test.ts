import assert from 'node:assert/strict'
import { buildOverrides, readOverrideKey } from '../../../../src/config/maps'
import { type Greylist, greylistGate } from '../../../../src/gates/greylist/greylist-gate'
import { parseIp } from '../../../../src/keys/address'
import { NULL_SENDER, foldRecipient, foldSender } from '../../../../src/keys/mailbox'
import type { GateAsk } from '../../../../src/policy/gate'
import type { Subject } from '../../../../src/policy/subject'
import { subject } from '../../telemetry/fixtures'

describe('greylist gate', () => {
  const clientAt = (ip: string, trusted = false) => ({ ip, address: parseIp(ip)!, trusted })
  const stranger: Partial<Subject> = {
    stage: 'rcpt_ok',
    client: clientAt('192.0.2.77'),
    sender: foldSender('Bob+tag', 'Example.org'),
    recipient: foldRecipient('Eve+news', 'local.test'),
  }

  function run(changes: Partial<Subject> = {}, greylist: Partial<Greylist> = {}) {
    const asks: GateAsk[] = []
    const exemptions: { rule: string; because: string }[] = []
    const gate = greylistGate({
      ...{ mode: { kind: 'enforce' }, delayMs: 300_000, retryMs: 172_800_000, passMs: 3_024_000_000 },
      allow: buildOverrides([]),
      ...greylist,
    })
    if (gate.stages.includes('rcpt_ok')) gate.ask(subject({ ...stranger, ...changes }), asks, exemptions)
    return { asks: asks.map(({ ask }) => ask), exemptions }
  }

  const keyOf = (changes: Partial<Subject>) => run(changes).asks[0]!.key

  it('asks about client, sender and recipient, tags and case folded away', () => {
    assert.deepEqual(run().asks, [
      {
        ...{ op: 'triplet', key: 'greylist|192.0.2.0/24|bob@example.org|eve@local.test', enforced: true },
        ...{ delayMs: 300_000, retryMs: 172_800_000, passMs: 3_024_000_000 },
      },
    ])
  })

  it('takes the network for the client, and the domain that SPF has proved before that', () => {
    assert.equal(keyOf({ client: clientAt('192.0.2.200') }), keyOf({}))
    assert.equal(
      keyOf({ client: clientAt('2001:db8:1:2:3::4') }),
      'greylist|2001:db8:1:2::/64|bob@example.org|eve@local.test',
    )
    const pooled = keyOf({ spfDomain: 'example.org' })
    assert.equal(pooled, 'greylist|example.org|bob@example.org|eve@local.test')
    assert.equal(keyOf({ spfDomain: 'example.org', client: clientAt('203.0.113.9') }), pooled)
  })

  it('has a key for bounces', () => {
    assert.equal(keyOf({ sender: NULL_SENDER }), 'greylist|192.0.2.0/24|<>|eve@local.test')
  })

  for (const [who, changes, because] of [
    ['a trusted network', { client: clientAt('192.0.2.77', true) }, 'trusted network'],
    ['who has logged in', { account: 'ann' }, 'authenticated'],
    ['who may relay', { direction: 'submission' }, 'may relay'],
  ] as const) {
    it(`lets pass ${who}`, () => {
      assert.deepEqual(run(changes), { asks: [], exemptions: [{ rule: 'greylist', because }] })
    })
  }

  for (const entry of ['example.org', 'bob@example.org', 'local.test', 'eve@local.test', '192.0.2.0/24']) {
    it(`lets pass ${entry} when it is allowed`, () => {
      const read = readOverrideKey(entry)
      assert.ok('value' in read)
      const allow = buildOverrides([{ key: read.value, value: 'exempt' }])
      const { asks, exemptions } = run({}, { allow })
      assert.deepEqual([asks.length, exemptions.length], [0, 1])
      assert.match(exemptions[0]!.because, /^greylist\.allow /)
      const other = { client: clientAt('203.0.113.9'), sender: foldSender('x', 'example.net') }
      assert.equal(run({ ...other, recipient: foldRecipient('y', 'z.test') }, { allow }).asks.length, 1)
    })
  }

  it('enforces by its mode, and asks nothing when off', () => {
    assert.equal(run({}, { mode: { kind: 'shadow' } }).asks[0]!.enforced, false)
    assert.deepEqual(run({}, { mode: { kind: 'off' } }).asks, [])
  })
})
