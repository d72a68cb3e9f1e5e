import assert from 'node:assert/strict'
import { senderTarget, type SenderName } from '../../../../src/egress/sender-target'
import { senderNotice, stepForMachines, toldOf } from '../../../../src/feedback/guard/sender-notice'
import type { SenderStep } from '../../../../src/feedback/guard/sender-guard'

const AT = Date.UTC(2026, 10, 22, 16, 0)
const OWNERS = new Map([
  ['acme', 'mail@acme.example'],
  ['acme/eu', 'eu@acme.example'],
])
const TOLD = { owners: OWNERS, postmaster: 'postmaster@example.com', webhook: undefined }

function step(kind: SenderStep['kind'], name: SenderName): SenderStep {
  const evidence = '34 of 410 recipients bounced (8.3 %) in 24 h, most: 550 5.1.1 Ünknown\r\nBcc: x'
  const target = senderTarget(name)
  const action: SenderStep['action'] = {
    ...{ id: '7KQ2M4X', path: target, kind: 'rate', origin: 'guard', mode: 'enforce', evidence, since: AT },
    ...{ values: { messageRate: { limit: 20, windowMs: 3_600_000 } }, until: AT + 86_400_000 },
  }
  return { kind, fault: 'hard', evidence, name, target, action, at: AT }
}
const account = (name: string): SenderName => ({ kind: 'account', name })

describe('notice of a sender that is held', () => {
  it('goes to the account, to who answers for its tenant, and to the postmaster, each once', () => {
    const to = (name: SenderName) => toldOf({ name }, TOLD)
    assert.deepEqual(to(account('ann@example.com')), ['ann@example.com', 'postmaster@example.com'])
    assert.deepEqual(to(account('Postmaster@example.com')), ['postmaster@example.com'])
    assert.deepEqual(to(account('ann')), ['postmaster@example.com'])
    assert.deepEqual(to({ kind: 'tenant', name: 'Acme' }), ['mail@acme.example', 'postmaster@example.com'])
    assert.deepEqual(to({ kind: 'campaign', name: 'acme/spring' }), ['mail@acme.example', 'postmaster@example.com'])
    assert.deepEqual(to({ kind: 'campaign', name: 'acme/eu/spring' }), ['eu@acme.example', 'postmaster@example.com'])
    assert.deepEqual(toldOf({ name: { kind: 'client', name: '192.0.2.7' } }, { ...TOLD, postmaster: undefined }), [])
  })

  it('says what was seen, what follows and what to do, in lines that nobody can add to', () => {
    const of = { to: 'ann@example.com', host: 'mx.example.com' }
    for (const kind of ['slow', 'pause', 'recover'] as const) {
      const text = senderNotice(step(kind, account('ann@example.com')), of)
      assert.match(text, /^[\r\n\x20-\x7e]+$/)
      assert.ok(text.split('\r\n').every((line) => line.length <= 998))
      const [head] = text.split('\r\n\r\n')
      assert.deepEqual(
        head!.split('\r\n').map((line) => line.split(':')[0]),
        ['From', 'To', 'Subject', 'Date', 'Message-ID', 'Auto-Submitted', 'MIME-Version', 'Content-Type'],
      )
      assert.match(text, /34 of 410\s+recipients/)
    }
    assert.match(senderNotice(step('slow', account('a@b.example')), of), /20 recipients in an hour/)
    assert.match(senderNotice(step('pause', account('a@b.example')), of), /^ {2}sluice review release 7KQ2M4X\r$/m)
    const strange = senderNotice(step('pause', { kind: 'campaign', name: 'acme/x\r\nBcc: y@z' }), of)
    assert.doesNotMatch(strange, /^Bcc/m)
  })

  it('tells programs the same', () => {
    assert.deepEqual(stepForMachines(step('slow', account('ann@example.com'))), {
      event: 'slow',
      fault: 'hard',
      sender: { kind: 'account', name: 'ann@example.com' },
      target: 'sender|account|ann@example.com',
      action: '7KQ2M4X',
      mode: 'enforce',
      evidence: step('slow', account('x')).evidence,
      at: '2026-11-22T16:00:00.000Z',
      until: '2026-11-23T16:00:00.000Z',
    })
  })
})
