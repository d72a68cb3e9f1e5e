import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Answer, WindowAsk } from '../../../src/store/store'
import type { Admission } from '../../support/store-process'
import { type Bench, leaseAsk, leaseId, rateAsk, windowAsk } from '../bench'
import { assertNeverMoreThan, leastWait } from '../intervals'

interface Step {
  readonly passMs: number
  readonly cost: number
}

interface Scene {
  readonly limit: number
  readonly windowMs: number
  readonly steps: Step[]
}

export function describeProperties(bench: Bench): void {
  describe('for any sequence of asks', () => {
    // On real time few and short: each run takes as long as it says.
    const runs = () => ({ numRuns: bench.virtual ? 150 : 6 })
    const windowMs = () => (bench.virtual ? fc.constantFrom(100, 3600, 60_000) : fc.constantFrom(120, 240))
    const scene = fc.constantFrom(1, 3, 10, 61, 200).chain((limit) =>
      windowMs().chain((window) =>
        fc.record({
          limit: fc.constant(limit),
          windowMs: fc.constant(window),
          steps: fc.array(step(limit, window, bench.virtual), { minLength: 1, maxLength: bench.virtual ? 120 : 40 }),
        }),
      ),
    )

    it('no window holds more than its limit, and no refusal lasts longer than it must', async () => {
      await fc.assert(
        fc.asyncProperty(scene, async ({ limit, windowMs, steps }) => {
          await playWindows(bench, { limit, windowMs, steps })
        }),
        runs(),
      )
    })

    it('no time admits more units than burst and rate allow', async () => {
      const bucket = fc.record({
        intervalMs: bench.virtual ? fc.integer({ min: 1, max: 2000 }) : fc.constantFrom(10, 30),
        burst: fc.integer({ min: 1, max: 20 }),
        steps: fc.array(step(20, bench.virtual ? 5000 : 60, bench.virtual), { maxLength: bench.virtual ? 80 : 30 }),
      })
      await fc.assert(
        fc.asyncProperty(bucket, async ({ intervalMs, burst, steps }) => {
          const key = bench.key()
          const admissions: Admission[] = []
          await play(bench, steps, admissions, (cost) => rateAsk(key, intervalMs, burst, { cost }))
          assertRate(admissions, intervalMs, burst)
        }),
        runs(),
      )
    })

    it('no more leases are held than the limit says', async () => {
      const ttlMs = bench.virtual ? 1000 : 60
      const doing = fc.record({
        holder: fc.integer({ min: 0, max: 5 }),
        give: fc.boolean(),
        passMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: ttlMs })),
      })
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 4 }),
          fc.array(doing, { maxLength: bench.virtual ? 100 : 20 }),
          async (limit, doings) => {
            const key = bench.key()
            // When each lease ends at the earliest, by what is known here.
            const ends = new Map<string, number>()
            let now = clock(bench)
            for (const { holder, give, passMs } of doings) {
              await bench.pass(passMs)
              now = bench.virtual ? now + passMs : Date.now()
              const id = leaseId(`h${holder}`)
              if (give) {
                await bench.store.release([{ key, id }])
                ends.delete(id)
              } else if ((await bench.ask(leaseAsk(key, limit, `h${holder}`, ttlMs))).ok) ends.set(id, now + ttlMs)
              const held = [...ends.values()].filter((end) => end > (bench.virtual ? now : Date.now())).length
              assert.ok(held <= limit, `${held} leases are held`)
            }
          },
        ),
        runs(),
      )
    })
  })
}

function step(most: number, window: number, virtual: boolean): fc.Arbitrary<Step> {
  const still = fc.constant(0)
  // Short pauses too: within a sixtieth of the window admissions are grouped.
  const short = fc.integer({ min: 1, max: Math.max(1, Math.floor(window / 80)) })
  const pause = virtual ? fc.oneof(short, fc.integer({ min: 1, max: window })) : fc.integer({ min: 1, max: 20 })
  return fc.record({
    passMs: fc.oneof({ weight: 5, arbitrary: still }, { weight: 2, arbitrary: pause }),
    cost: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: most + 1 })),
  })
}

async function playWindows(bench: Bench, { limit, windowMs, steps }: Scene): Promise<void> {
  const key = bench.key()
  const admissions: Admission[] = []
  const ask = (cost: number): WindowAsk => windowAsk(key, [{ limit, windowMs }], { cost })
  await play(bench, steps, admissions, ask, (answer, cost, from, to) => {
    const early = admissions.map((admission) => ({ at: admission.from, cost: admission.cost }))
    const late = admissions.map((admission) => ({ at: admission.to, cost: admission.cost }))
    const atLeast = leastWait(early, to, limit, windowMs, cost)
    const atMost = leastWait(late, from, limit, windowMs, cost)
    assert.ok(answer.retryAfterMs >= atLeast, `free after ${answer.retryAfterMs} ms, which is before ${atLeast}`)
    assert.ok(
      answer.retryAfterMs <= atMost + windowMs / 60 + 1,
      `free after ${answer.retryAfterMs} ms, which is later than ${atMost} and a sixtieth of the window`,
    )
  })
  assertNeverMoreThan(admissions, limit, windowMs)
  const last = await bench.ask(ask(1))
  await bench.pass(last.retryAfterMs)
  assert.equal((await bench.ask(ask(1))).ok || last.ok, true, 'a refused ask is admitted after its wait')
}

/** Plays the steps, notes what was admitted and when, and hands over every refusal. */
async function play(
  bench: Bench,
  steps: readonly Step[],
  admissions: Admission[],
  ask: (cost: number) => Parameters<Bench['ask']>[0],
  onRefusal?: (answer: Answer, cost: number, from: number, to: number) => void,
): Promise<void> {
  let now = clock(bench)
  for (const { passMs, cost } of steps) {
    if (passMs > 0) await bench.pass(passMs)
    now += passMs
    const from = bench.virtual ? now : Date.now()
    const answer = await bench.ask(ask(cost))
    const to = bench.virtual ? now : Date.now()
    if (answer.ok) admissions.push({ from, to, cost })
    else onRefusal?.(answer, cost, from, to)
  }
}

/** Between any two admissions no more than a full bucket and what has dripped into it since. */
function assertRate(admissions: readonly Admission[], intervalMs: number, burst: number): void {
  for (let first = 0; first < admissions.length; first++) {
    let units = 0
    for (let last = first; last < admissions.length; last++) {
      units += admissions[last]!.cost
      const allowed = burst + (admissions[last]!.to - admissions[first]!.from) / intervalMs
      assert.ok(units <= allowed + 1e-6, `${units} units, at most ${allowed} are allowed`)
    }
  }
}

/** Virtual time is counted from the start of a run: only differences matter. */
function clock(bench: Bench): number {
  return bench.virtual ? 1_000_000 : Date.now()
}
