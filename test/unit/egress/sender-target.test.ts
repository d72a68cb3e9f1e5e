import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readSenderTarget, saySender, senderTarget, sendersOf } from '../../../src/egress/sender-target'
import { actionOf } from '../../../src/egress/steering-action'

describe('who sends, as actions are ordered for', () => {
  const nobody = { tenant: undefined, account: undefined, campaign: undefined, client: undefined }

  it('is a name in a key, and back', () => {
    const target = senderTarget({ kind: 'account', name: 'Ann@Example.com' })
    assert.equal(target, 'sender|account|ann@example.com')
    assert.deepEqual(readSenderTarget(target), { kind: 'account', name: 'ann@example.com' })
    const campaign = { kind: 'campaign', name: 'acme/Spring 2026*' } as const
    assert.equal(senderTarget(campaign), 'sender|campaign|acme%2FSpring%202026%2A')
    assert.deepEqual(readSenderTarget(senderTarget(campaign)), campaign)
    assert.equal(saySender(campaign), 'campaign acme/Spring 2026*')
  })

  it('is nobody for what is a path', () => {
    for (const target of ['egress|default|google', 'sender|', 'sender|account|', 'sender|dog|rex', '']) {
      assert.equal(readSenderTarget(target), undefined, target)
    }
    assert.deepEqual(readSenderTarget('sender|tenant|100%'), { kind: 'tenant', name: '100%' })
  })

  it('is always something that can be ordered for, whatever the name', () => {
    const since = 1_790_000_000_000
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 500 }), (name) => {
        const path = senderTarget({ kind: 'campaign', name })
        const slow = { messageRate: { limit: 5, windowMs: 86_400_000 } }
        const order = { path, kind: 'rate', values: slow, origin: 'guard', evidence: 'x', mode: 'enforce' } as const
        assert.equal(actionOf({ ...order, since, until: since + 1000 }).path, path)
      }),
    )
  })

  it('is each name that a message has, the most particular first', () => {
    const label = { tenant: 'acme', account: 'ann@near.test', campaign: 'spring', client: '192.0.2.7' }
    assert.deepEqual(sendersOf(label).map(saySender), ['campaign acme/spring', 'account ann@near.test', 'tenant acme'])
    assert.deepEqual(sendersOf({ ...nobody, client: '192.0.2.7' }).map(saySender), ['client 192.0.2.7'])
    assert.deepEqual(sendersOf(nobody), [])
  })
})
