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
const u32 = fc.nat(2 ** 31 - 1).map((half) => half * 2 + 1)
const setBits = fc.integer({ min: 0, max: 1024 }).chain((set) => fc.tuple(fc.constant(set), fc.nat(set)))
const state: fc.Arbitrary<State> = fc.oneof(
  fc.record(
    { op: fc.constant('window' as const), tapes: fc.array(tape, { minLength: 1, maxLength: 16 }), noted },
    plain,
  ),
  fc.record({ op: fc.constant('rate' as const), tat, noted }, plain),
  fc.record({ op: fc.constant('rate' as const), tat, writtenAt: u48, noted }, plain),
  fc.record({ op: fc.constant('lease' as const), holders: fc.array(holder, { maxLength: 50 }), noted }, plain),
  fc.record(
    { op: fc.constant('triplet' as const), firstAt: u48, expiresAt: u48, passes: fc.nat(2 ** 31 - 1), noted },
    plain,
  ),
  fc.record(
    {
      ...{ op: fc.constant('merit' as const), samples: u32, mean: fc.integer({ min: -10_000, max: 10_000 }) },
      ...{ lastAt: u48, expiresAt: u48, halfLifeMs: u48, noted },
    },
    plain,
  ),
  fc
    .tuple(u48, u48, setBits, fc.uint8Array({ minLength: 256, maxLength: 256 }))
    .map(([startedAt, windowMs, [set, newerSet], bits]) => {
      return { op: 'distinct' as const, startedAt, windowMs, set, newerSet, bits, noted: false }
    }),
)

describe('codec', () => {
  it('reads every state back as it was written', () => {
    fc.assert(fc.property(state, (original) => assert.deepEqual(decodeState(encodeState(original)), original)))
  })

  it('takes a mean beyond 1, and more set bits than there are, for no state', () => {
    const merit = encodeState({
      ...{ op: 'merit', samples: 1, mean: 10_000, lastAt: 1, expiresAt: 1, halfLifeMs: 1, noted: false },
    })
    assert.notEqual(decodeState(merit), undefined)
    merit.writeUInt16BE(20_001, 5)
    assert.equal(decodeState(merit), undefined)
    const sketch = (set: number, newerSet: number) => {
      const bits = new Uint8Array(256)
      return decodeState(encodeState({ op: 'distinct', startedAt: 1, windowMs: 1, set, newerSet, bits, noted: false }))
    }
    assert.notEqual(sketch(1024, 1024), undefined)
    assert.deepEqual([sketch(1025, 1), sketch(3, 4)], [undefined, undefined])
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

  it('takes a bucket with a reservation that is cut off for none without', () => {
    const reserved = encodeState({ op: 'rate', tat: 5, writtenAt: 3, noted: false })
    const plain = encodeState({ op: 'rate', tat: 5, noted: false })
    assert.equal(decodeState(reserved.subarray(0, plain.length)), undefined)
    assert.equal(decodeState(Buffer.concat([plain, Buffer.alloc(reserved.length - plain.length)])), undefined)
  })

  it('takes any bytes for a state or for none, and never fails', () => {
    const tagged = fc.tuple(
      fc.constantFrom(0x77, 0x72, 0x61, 0x6c, 0x67, 0x6d, 0x64),
      fc.uint8Array({ maxLength: 300 }),
    )
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
    const reserved = encodeState({ op: 'rate', tat: 1, writtenAt: 2, noted: false })
    assert.equal(reserved.toString('hex'), '61' + '3ff0000000000000' + '000000000002')
    const lease = encodeState({ op: 'lease', holders: [{ id: 'abcdefghijkl', expiresAt: 1 }], noted: false })
    assert.equal(lease.toString('hex'), '6c' + '6162636465666768696a6b6c' + '000000000001')
    const times = { lastAt: 2, expiresAt: 3, halfLifeMs: 4 }
    const merit = encodeState({ op: 'merit', samples: 1500, mean: -10_000, ...times, noted: false })
    assert.equal(merit.toString('hex'), '6d' + '000005dc' + '0000' + '000000000002' + '000000000003' + '000000000004')
    const bits = Uint8Array.from({ length: 256 }, (_, index) => (index === 129 ? 4 : 0))
    const sketch = encodeState({ op: 'distinct', startedAt: 1, windowMs: 2, set: 1, newerSet: 1, bits, noted: false })
    assert.equal(sketch.length, 273)
    assert.equal(sketch.toString('hex', 0, 17), '64' + '000000000001' + '000000000002' + '0001' + '0001')
    assert.equal(sketch[17 + 129], 4)
  })
})
