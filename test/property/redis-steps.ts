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
const ask: fc.Arbitrary<Ask> = fc.oneof(
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
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('rate' as const),
      key,
      enforced,
      cost: fc.integer({ min: 0, max: 12 }),
      intervalMs: fc.constantFrom(1, 100, 1000 / 3, 0.1, 60_000 / 7),
      burst: fc.constantFrom(1, 5, 10),
    }),
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
)
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
)
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
      batches: fc.array(fc.uniqueArray(ask, { selector: ({ key }) => key, minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 3,
      }),
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
      bytes: fc.uint8Array({ maxLength: 40 }),
    }),
  },
)
