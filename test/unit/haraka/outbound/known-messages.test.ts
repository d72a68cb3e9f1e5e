import assert from 'node:assert/strict'
import type { Delivery } from '../../../../src/haraka/outbound/delivery'
import { KnownMessages } from '../../../../src/haraka/outbound/known-messages'

describe('the messages that a process knows', () => {
  let known: KnownMessages

  beforeEach(() => {
    known = new KnownMessages()
  })

  const deliveryOf = (id: string, retryAt?: number) => ({ id, retryAt }) as Delivery
  const inHand = () => [...known.entries()].map(([id, delivery]) => [id, delivery?.id])

  it('are in hand from when they are taken until their attempt is over, which it is once', () => {
    known.take('a')
    assert.deepEqual([known.isInHand('a'), known.isInHand('b')], [true, false])
    assert.deepEqual(inHand(), [['a', undefined]], 'it is being placed')
    known.place(deliveryOf('a'))
    assert.deepEqual(inHand(), [['a', 'a']])
    assert.equal(known.letGo('a', deliveryOf('a')), true)
    assert.deepEqual([known.isInHand('a'), known.letGo('a')], [false, false])
  })

  it('have no path any more when they are taken to be ended', () => {
    known.place(deliveryOf('a'))
    known.take('a')
    assert.deepEqual(inHand(), [['a', undefined]])
  })

  it('are remembered while they are put off, until they are taken again', () => {
    for (const id of ['a', 'b']) known.take(id)
    const delivery = deliveryOf('a', 1000)
    known.letGo('a', delivery)
    known.letGo('b', deliveryOf('b'))
    assert.deepEqual([known.recall('a'), known.recall('b')], [delivery, undefined])
    known.take('a')
    assert.equal(known.recall('a'), undefined)
    known.letGo('a')
    assert.equal(known.recall('a'), undefined)
  })

  it('are put off once: who says again that an attempt is over changes nothing', () => {
    known.take('a')
    known.letGo('a', deliveryOf('a'))
    known.letGo('a', deliveryOf('a', 1000))
    assert.equal(known.recall('a'), undefined)
  })

  it('are forgotten when they do not come again', () => {
    for (const [id, retryAt] of [
      ['late', 999],
      ['due', 1000],
    ] as const) {
      known.take(id)
      known.letGo(id, deliveryOf(id, retryAt))
    }
    known.forget(1000)
    assert.deepEqual([known.recall('late')?.id, known.recall('due')?.id], [undefined, 'due'])
  })

  it('are looked at so many in a turn, as they are then', async () => {
    for (let number = 0; number < 1200; number++) known.place(deliveryOf(`m${number}`))
    known.take('being placed')
    const looked: string[] = []
    const all = known.eachPlaced(({ id }) => looked.push(id))
    const first = looked.length
    assert.ok(first > 0 && first <= 500, `${first} in the first turn`)
    known.letGo('m1100')
    await all
    assert.equal(looked.length, 1199)
    assert.deepEqual([looked.includes('m1100'), looked.includes('m1199')], [false, true])
  })
})
