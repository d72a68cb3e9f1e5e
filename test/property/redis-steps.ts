import fc from 'fast-check'
import type { Charge } from '../../src/store/redis/shared-store'
import type { Ask, LeaseRef, Window } from '../../src/store/store'

export const KEYS = ['k0', 'k1', 'k2', 'k3']
export const IDS = ['aaaaaaaaaaaa', 'aaaaaaaaaaab', 'baaaaaaaaaaa', 'session-0001']
export const LAYOUTS: readonly (readonly Window[])[] = [
  [{ limit: 5, windowMs: 1000 }],
  [
    { limit: 5, windowMs: 1000 },
    { limit: 9, windowMs: 10_000 },
  ],
  [
    { limit: 100, windowMs: 6000 },
    { limit: 3, windowMs: 50 },
  ],
  [
    { limit: 200, windowMs: 1000 },
    { limit: 1000, windowMs: 60_000 },
    { limit: 61, windowMs: 600 },
  ],
  [{ limit: 0, windowMs: 1000 }],
  [{ limit: 2 ** 48 - 1, windowMs: 3000 }],
]

/** One thing that happens to both worlds, so many milliseconds after the one before it. */
export type Step =
  | { do: 'judge'; passedMs: number; batches: Ask[][] }
  | { do: 'release'; passedMs: number; leases: LeaseRef[] }
  | { do: 'renew'; passedMs: number; leases: LeaseRef[]; ttlMs: number }
  | { do: 'charge'; passedMs: number; charges: Charge[] }
  | { do: 'spoil'; passedMs: number; key: string; how: 'bytes' | 'cut' | 'type'; bytes: Uint8Array }

const enforced = fc.boolean()
const key = fc.constantFrom(...KEYS)
const id = fc.constantFrom(...IDS)
const cost = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 120 }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 47, 2 ** 48 - 2) },
)
const rate = {
  op: fc.constant('rate' as const),
  key,
  enforced,
  cost: fc.integer({ min: 0, max: 12 }),
  intervalMs: fc.constantFrom(1, 100, 1000 / 3, 0.1, 60_000 / 7),
  burst: fc.constantFrom(1, 5, 10),
}
const judged: fc.Arbitrary<Ask> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('window' as const),
      key,
      enforced,
      cost,
      windows: fc.constantFrom(...LAYOUTS),
    }),
  },
  { weight: 1, arbitrary: fc.record(rate) },
  {
    weight: 4,
    arbitrary: fc.record({ ...rate, aheadMs: fc.constantFrom(0, 0.5, 700, 700, 60_000, 3_600_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('lease' as const),
      key,
      enforced,
      limit: fc.constantFrom(0, 1, 2, 3),
      id,
      ttlMs: fc.constantFrom(1, 500, 5000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('triplet' as const),
      key,
      enforced,
      delayMs: fc.constantFrom(0, 5, 300, 1000),
      retryMs: fc.constantFrom(300, 2000, 40_000),
      passMs: fc.constantFrom(1, 500, 60_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        op: fc.constant('merit' as const),
        key,
        enforced,
        leastSamples: fc.constantFrom(0, 1, 3),
        leastMean: fc.constantFrom(-1, -0.3333, 0, 0.0001, 0.5, 1),
        halfLifeMs: fc.constantFrom(0, 1, 7, 160, 1000, 100_000),
        most: fc.constantFrom(1, 2, 7, 100, 1e6),
        apartMs: fc.constantFrom(0, 1, 50, 1000),
        keepMs: fc.constantFrom(1, 900, 60_000, 1e9),
        sample: fc.oneof(fc.constantFrom(undefined, 1, -1, 0), fc.double({ min: -1, max: 1, noNaN: true })),
      })
      .map(({ sample, ...merit }) => (sample === undefined ? merit : { ...merit, sample })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('distinct' as const),
      key,
      enforced,
      value: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      limit: fc.constantFrom(0, 1, 3, 40, 600, 1e6),
      windowMs: fc.constantFrom(50, 1000, 1000, 7000),
    }),
  },
)

/** Some of the asks may be excused by merits before them. */
const batch: fc.Arbitrary<Ask[]> = fc
  .tuple(
    fc.uniqueArray(judged, { selector: ({ key }) => key, minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 4, maxLength: 4 }),
  )
  .map(([asks, choices]) => asks.map((ask, index) => excusable(ask, asks.slice(0, index), choices[index]!)))

/** @param choice bit i: whether the ask at i is named, if it is a merit; below 5 there is no list at all */
function excusable(ask: Ask, earlier: readonly Ask[], choice: number): Ask {
  const unless = earlier.flatMap(({ op }, index) => (op === 'merit' && choice & (1 << index) ? [index] : []))
  return choice < 5 ? ask : { ...ask, unless }
}

const passedMs = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 1500 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 70_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -700, max: 0 }) },
  { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 0 }) },
)
const leases = fc.array(fc.record({ key, id }), { minLength: 1, maxLength: 4 })
const charge: fc.Arbitrary<Charge> = fc.oneof(
  fc.record({
    op: fc.constant('window' as const),
    key,
    windows: fc.constantFrom(...LAYOUTS.slice(0, 4)),
    entries: fc
      .array(fc.record({ agoMs: fc.integer({ min: 0, max: 20_000 }), units: fc.integer({ min: 1, max: 5 }) }), {
        maxLength: 9,
      })
      .map((entries) => entries.sort((a, b) => b.agoMs - a.agoMs)),
  }),
  fc.record({
    op: fc.constant('rate' as const),
    key,
    depthMs: fc.constantFrom(500, 1000, 60_000),
    debtMs: fc.double({ min: 0, max: 70_000, noNaN: true }),
  }),
  fc.record({
    op: fc.constant('rate' as const),
    key,
    depthMs: fc.constantFrom(500, 1000, 60_000),
    debtMs: fc.double({ min: 0, max: 70_000, noNaN: true }),
    startsInMs: fc.integer({ min: 1, max: 4_000_000 }),
  }),
)
const reservedTag = 0x61
/** Buckets with reservations that no ask has made: a time that is none, far ahead or negative, written in times to come. */
const likeRate = fc
  .tuple(
    fc.constantFrom(NaN, Infinity, -1, -0, 1e300, 1_700_000_000_000, 1_700_003_000_000, 1_700_004_000_000),
    fc.constantFrom(0, 1_700_000_000_000, 1_700_000_900_000, 1_700_003_500_000, 2 ** 48 - 1),
  )
  .map(([tat, writtenAt]) => {
    const bytes = Buffer.alloc(15, reservedTag)
    bytes.writeUIntBE(writtenAt, bytes.writeDoubleBE(tat, 1), 6)
    return Uint8Array.from(bytes)
  })
const meritTag = 0x6d
const sketchTag = 0x64
/** Bytes of the right tag and length that need not be a state: a mean beyond 1, more set bits than there are. */
const likeMerit = fc
  .tuple(fc.integer({ min: 19_990, max: 20_010 }), fc.uint8Array({ minLength: 18, maxLength: 18 }))
  .map(([mean, times]) => Uint8Array.from([meritTag, 0, 0, 9, 9, mean >> 8, mean & 255, 1, ...times.subarray(1)]))
const likeSketch = fc
  .tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 5 }),
    fc.uint8Array({ minLength: 256, maxLength: 256 }),
  )
  .map(([set, newer, bits]) => {
    const times = Buffer.alloc(12)
    times.writeUIntBE(1_700_000_000_000, 0, 6)
    times.writeUIntBE(7000, 6, 6)
    return Uint8Array.from([sketchTag, ...times, set === 5 ? 4 : 0, set, 0, newer, ...bits])
  })
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('charge' as const),
      passedMs,
      charges: fc.uniqueArray(charge, { selector: ({ key }) => key, minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('judge' as const),
      passedMs,
      batches: fc.array(batch, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), passedMs, leases }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('renew' as const), passedMs, leases, ttlMs: fc.constantFrom(1, 700, 9000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('spoil' as const),
      passedMs,
      key,
      how: fc.constantFrom('bytes' as const, 'cut' as const, 'type' as const),
      bytes: fc.oneof(fc.uint8Array({ maxLength: 40 }), likeRate, likeMerit, likeSketch),
    }),
  },
)
