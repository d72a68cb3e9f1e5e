import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeState, encodeState } from '../../../../src/store/engine/codec'
import type { State } from '../../../../src/store/engine/state'

const plain = { noNullPrototype: true }
const u48 = fc.maxSafeNat().map((number) => number % 2 ** 48)

const pairs = fc.array(fc.tuple(u48, u48), { maxLength: 130 })
const tape = fc.record({ windowMs: u48, base: u48, entries: pairs.map((entries) => entries.flat()) }, plain)
const holder = fc.record(
  { id: fc.string({ minLength: 12, maxLength: 12, unit: 'grapheme-ascii' }), expiresAt: u48 },
  plain,
)
const tat = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })

const noted = fc.constant(false)
const state: fc.Arbitrary<State> = fc.oneof(
  fc.record(
    { op: fc.constant('window' as const), tapes: fc.array(tape, { minLength: 1, maxLength: 16 }), noted },
    plain,
  ),
  fc.record({ op: fc.constant('rate' as const), tat, noted }, plain),
  fc.record({ op: fc.constant('lease' as const), holders: fc.array(holder, { maxLength: 50 }), noted }, plain),
  fc.record(
    { op: fc.constant('triplet' as const), firstAt: u48, expiresAt: u48, passes: fc.nat(2 ** 31 - 1), noted },
    plain,
  ),
)

describe('codec', () => {
  it('reads every state back as it was written', () => {
    fc.assert(fc.property(state, (original) => assert.deepEqual(decodeState(encodeState(original)), original)))
  })

  it('leaves room in front and nothing behind', () => {
    fc.assert(
      fc.property(state, fc.integer({ min: 0, max: 20 }), (original, room) => {
        assert.deepEqual(encodeState(original, room).subarray(room), encodeState(original))
      }),
    )
  })

  it('takes bytes that are cut off or lengthened for no state', () => {
    fc.assert(
      fc.property(state, fc.nat(), (original, at) => {
        const bytes = encodeState(original)
        const cut = decodeState(bytes.subarray(0, at % bytes.length))
        // Leases have no length: a cut between two holders is a state with fewer.
        if (cut !== undefined) assert.ok(original.op === 'lease' && cut.op === 'lease')
        if (original.op !== 'lease') assert.equal(decodeState(Buffer.concat([bytes, Buffer.alloc(1)])), undefined)
      }),
    )
  })

  it('takes any bytes for a state or for none, and never fails', () => {
    const tagged = fc.tuple(fc.constantFrom(0x77, 0x72, 0x6c, 0x67), fc.uint8Array({ maxLength: 200 }))
    fc.assert(fc.property(tagged, ([tag, rest]) => void decodeState(Buffer.from([tag, ...rest]))))
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeState(Buffer.from(bytes))))
    assert.equal(decodeState(Buffer.alloc(0)), undefined)
  })

  it('writes what the other stores read', () => {
    const written = encodeState({ op: 'window', tapes: [{ windowMs: 1000, base: 7, entries: [258, 8] }], noted: false })
    assert.equal(
      written.toString('hex'),
      '7701' + '0000000003e8' + '000000000007' + '0001' + '000000000102' + '000000000008',
    )
    assert.equal(encodeState({ op: 'rate', tat: 1, noted: false }).toString('hex'), '72' + '3ff0000000000000')
    const lease = encodeState({ op: 'lease', holders: [{ id: 'abcdefghijkl', expiresAt: 1 }], noted: false })
    assert.equal(lease.toString('hex'), '6c' + '6162636465666768696a6b6c' + '000000000001')
  })
})
