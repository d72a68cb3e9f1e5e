import assert from 'node:assert/strict'
import fc from 'fast-check'
import { OUTCOME_KINDS, type OutcomeKind } from '../../src/egress/controller-evidence'
import { fasterFactor } from '../../src/egress/controller-policy'
import { NO_ORDERS } from '../../src/egress/steering'
import { limitsUnder } from '../../src/egress/steering-limits'
import { ControllerScene, MIN, POLICY } from '../unit/egress/controller-scene'

/** Spells of one kind of answer: how many, how far apart, and how long it is quiet afterwards. */
const anySpells = fc.array(
  fc.record({
    kind: fc.constantFrom<OutcomeKind>(...OUTCOME_KINDS),
    times: fc.integer({ min: 1, max: 40 }),
    apartMs: fc.integer({ min: 1, max: 30_000 }),
    quietMs: fc.constantFrom(0, 0, 0, MIN, 10 * MIN),
  }),
  { maxLength: 30 },
)
type Spells = typeof anySpells extends fc.Arbitrary<infer T> ? T : never

/** From the floor to full speed. */
function stepsUp(): number {
  let steps = 0
  for (let { floor: factor } = POLICY; factor < 1; factor = fasterFactor(factor, POLICY)) steps++
  return steps
}

async function live(scene: ControllerScene, spells: Spells, look: () => void = () => undefined): Promise<void> {
  for (const { kind, times, apartMs, quietMs } of spells) {
    for (let time = 0; time < times; time++) {
      await scene.note(kind, 1, apartMs)
      look()
    }
    scene.now += quietMs
  }
}

describe('the controller of egress, whatever is answered', () => {
  it('keeps factors between floor and 1, steps a cooldown apart, each with evidence and an end', () =>
    fc.assert(
      fc.asyncProperty(anySpells, fc.integer({ min: 1, max: 3 }), async (spells, processes) => {
        const scene = await ControllerScene.of(processes)
        await live(scene, spells, () => {
          const { rateFactor, connectionsFactor } = scene.orders
          assert.ok(rateFactor >= POLICY.floor && rateFactor <= 1, `${rateFactor}`)
          assert.equal(connectionsFactor, rateFactor)
        })
        scene.steps.forEach(({ at, step, actions }, index) => {
          const before = scene.steps[index - 1]
          if (before) assert.ok(at - before.at >= POLICY.cooldownMs, `${at - before.at} ms apart`)
          assert.match(step.evidence, /\d/)
          for (const { since, until, evidence } of actions) {
            assert.deepEqual([since, evidence], [at, step.evidence])
            assert.ok(until > at && until - at <= POLICY.suspend.longestMs + POLICY.keepMs)
          }
        })
        assert.deepEqual(scene.failures, [])
      }),
    ))

  it('comes back to full speed when trouble ends, however long it was', () =>
    fc.assert(
      fc.asyncProperty(anySpells, async (spells) => {
        const scene = await ControllerScene.of(1)
        await live(scene, spells)
        const end = scene.now
        // The longest suspension, and each step from the floor up.
        const enoughMs = POLICY.suspend.longestMs + POLICY.windowMs + (stepsUp() + 2) * POLICY.recovery.everyMs
        while (scene.now < end + enoughMs) await scene.note('delivered', 1, MIN / 2)
        assert.deepEqual(scene.orders, NO_ORDERS)
        assert.deepEqual(scene.processes[0]!.steering.actions(), [])
      }),
    ))

  it('makes as many steps in several processes as in one', () =>
    fc.assert(
      fc.asyncProperty(anySpells, fc.integer({ min: 2, max: 5 }), async (spells, processes) => {
        const [one, several] = [await ControllerScene.of(1), await ControllerScene.of(processes)]
        await live(one, spells)
        await live(several, spells)
        const said = ({ steps }: ControllerScene) => steps.map(({ at, step }) => ({ at, step }))
        assert.deepEqual(said(several), said(one))
        assert.deepEqual(several.orders, one.orders)
      }),
    ))

  it('finds the rate that a provider bears and does not tell', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: 100 }),
        fc.integer({ min: 1, max: 3 }),
        async (percent, processes) => {
          const hidden = (percent / 100) * FULL
          const scene = await ControllerScene.of(processes)
          await send(scene, hidden, 3_600_000)
          const { sent, most, throttled } = await send(scene, hidden, 4 * 3_600_000)
          // It may stay where so few are throttled that nobody would slow down for them.
          assert.ok(sent >= 0.5 * hidden && sent <= 1.02 * hidden, `${sent} a second on average, of ${hidden}`)
          assert.ok(most <= 1.5 * hidden + 0.1, `up to ${most} a second, of ${hidden}`)
          assert.ok(throttled <= 0.1, `${throttled} of all were throttled`)
          assert.ok(scene.steps.every(({ step }) => step.kind !== 'suspend' && step.evidence.length > 20))
        },
      ),
      { numRuns: 15 },
    ))
})

/** Messages a second that the profile allows. */
const FULL = 8

/** Sends as fast as the orders allow, always; the provider takes `hidden` messages a second, and throttles the others. */
async function send(scene: ControllerScene, hidden: number, forMs: number) {
  const profile = { connections: 10, messageRate: { limit: FULL, windowMs: 1000 } }
  const end = scene.now + forMs
  let [sent, throttled, most, turn] = [0, 0, 0, 0]
  let [credit, dueAt] = [1, scene.now]
  while (scene.now < end) {
    const { rate, suspendedUntil = 0 } = limitsUnder(profile, scene.orders)
    const at = Math.max(dueAt, suspendedUntil)
    credit = Math.min(Math.max(2, hidden), credit + ((at - scene.now) / 1000) * hidden)
    scene.now = at
    const kind = credit >= 1 ? 'delivered' : 'throttled'
    if (kind === 'delivered') credit--
    else throttled++
    sent++
    most = Math.max(most, 1000 / rate!.intervalMs)
    dueAt = at + rate!.intervalMs
    const { controller } = scene.processes[turn++ % scene.processes.length]!
    controller.note('egress|default|google', { kind, at, code: kind === 'delivered' ? 250 : 421 })
    await controller.settled()
  }
  return { sent: sent / (forMs / 1000), most, throttled: throttled / sent }
}
