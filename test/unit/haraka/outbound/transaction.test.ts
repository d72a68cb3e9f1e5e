import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Reply } from '../../../../src/haraka/outbound/reply-reader'
import { Transaction, refusalsFirst } from '../../../../src/haraka/outbound/transaction'

const reply = (code: number): Reply => ({ code, lines: [`${code} said`] })

describe('the answers of LMTP after the dot', () => {
  interface Recipient {
    user: string
    reason?: string
  }

  /** As hmail.js takes them. */
  function asHaraka(accepted: Recipient[], replies: readonly Reply[]): { taken: string[]; refused: string[] } {
    const left = [...accepted]
    const refused = replies.filter(({ code }) => code >= 300).map(() => left.shift()!.user)
    return { taken: left.map(({ user }) => user), refused }
  }

  it('reach whom they are for, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(250, 452, 550), { minLength: 1, maxLength: 30 }), (codes) => {
        const recipients: Recipient[] = codes.map((_, place) => ({
          user: `${place}`,
          ...(place % 2 && { reason: 'x' }),
        }))
        const given = refusalsFirst(recipients, codes.map(reply))
        const { taken, refused } = asHaraka(recipients, given)
        const placesOf = (isRefused: boolean) =>
          codes.flatMap((code, place) => (code >= 300 === isRefused ? [`${place}`] : []))
        assert.deepEqual(taken, placesOf(false))
        assert.deepEqual(refused, placesOf(true))
        assert.deepEqual(
          given.slice(0, refused.length).map(({ code }) => code),
          refused.map((place) => codes[Number(place)]),
        )
        for (const { user, reason } of recipients) assert.equal(reason !== undefined, Number(user) % 2 === 1)
      }),
    )
  })

  it('are for those whose RCPT was accepted', () => {
    const recipients = [{ user: 'ann' }, { user: 'bob' }, { user: 'eve' }]
    const transaction = new Transaction()
    transaction.sends('mail')
    for (const code of [250, 550, 250]) transaction.recipient(reply(code))
    transaction.sends('dot')
    assert.equal(transaction.isHalfAnswered, false)
    assert.equal(transaction.finalOfOne(reply(250)), false)
    assert.equal(transaction.isHalfAnswered, true)
    assert.equal(transaction.finalOfOne(reply(452)), true)
    assert.equal(transaction.isHalfAnswered, false)
    assert.deepEqual(
      transaction.finalsInOrder(recipients).map(({ code }) => code),
      [452, 250],
    )
    assert.deepEqual(recipients, [{ user: 'eve' }, { user: 'bob' }, { user: 'ann' }])
    assert.equal(transaction.stage, 'open')
  })
})
