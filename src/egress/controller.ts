import { isEnforced } from '../policy/mode'
import type { Clock, RateAsk, Store } from '../store/store'
import { FULL_SPEED, type Standing, type Step, decide } from './controller-decision'
import { Evidence, type Outcome } from './controller-evidence'
import type { ControllerPolicy } from './controller-policy'
import { pathKey } from './path-key'
import { Recent } from './recent'
import type { Steering } from './steering'
import type { Action, Order } from './steering-action'

/** A step that this process has made, once it stands. */
export interface Stepped {
  readonly path: string
  readonly step: Step
  /** What was posted; none where the path is back at full speed. */
  readonly actions: readonly Action[]
  readonly mode: Action['mode']
  readonly at: number
}

export interface ControllerOptions {
  readonly policy: () => ControllerPolicy
  readonly store: () => Store
  /** Follows the board of the same store. */
  readonly steering: Steering
  /** Must not throw. */
  readonly onStep?: (stepped: Stepped) => void
  /** The store could not be asked or told; the path stays as it is. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
}

/** What this process has seen of a path. */
interface Watched {
  readonly evidence: Evidence
  readonly windowMs: number
  /** The action that the evidence follows on: what led to it counts no more. */
  actionId: string | undefined
  /** A step is being made. */
  busy: boolean
  /** Before this the store would refuse a step. */
  notBefore: number
}

const MOST_PATHS = 10_000
const FAILURE_RETRY_MS = 5000

/**
 * Slows paths down, suspends them and lets them recover, by what the world answers. Each process judges by what it has seen
 * itself since the last step of the path; a step is made by whoever takes the right to it in the store, which there is
 * one of in a cooldown, so that many processes make as many steps as one. Nobody waits for it.
 */
export class Controller {
  private readonly clock: Clock
  private readonly watched = new Recent<Watched>(MOST_PATHS)
  private readonly underWay = new Set<Promise<void>>()

  constructor(private readonly options: ControllerOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Takes what became of an attempt. Never throws. */
  note(path: string, outcome: Outcome): void {
    const policy = this.options.policy()
    if (policy.mode.kind === 'off') return
    const mode = modeOf(policy, path)
    const [rate, suspension] = this.actionsOf(path, mode)
    const watched = this.watch(path, policy)
    if (watched.actionId !== rate?.id) {
      watched.actionId = rate?.id
      watched.evidence.clear()
    }
    if (suspension || (rate && isAboutBefore(outcome, rate.since, policy.cooldownMs))) return
    watched.evidence.note(outcome)
    if (watched.busy || outcome.at < watched.notBefore) return
    const step = decide(policy, standingOf(rate), watched.evidence.at(outcome.at), outcome.at)
    if (step) this.begin(path, watched, step, rate, policy)
  }

  /** Resolves when the steps that are being made are done, or have failed. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay)
  }

  /** Paths that are watched. */
  get size(): number {
    return this.watched.size
  }

  private begin(path: string, watched: Watched, step: Step, rate: Action | undefined, policy: ControllerPolicy): void {
    watched.busy = true
    const made = this.make(path, watched, step, rate, policy)
      .catch((error: unknown) => {
        watched.notBefore = this.clock() + FAILURE_RETRY_MS
        this.options.onFailure(error)
      })
      .finally(() => {
        watched.busy = false
        this.underWay.delete(made)
      })
    this.underWay.add(made)
  }

  private async make(
    path: string,
    watched: Watched,
    step: Step,
    rate: Action | undefined,
    policy: ControllerPolicy,
  ): Promise<void> {
    const { committed, answers, degraded } = await this.options.store().judge([turnAsk(path, policy.cooldownMs)])
    const now = this.clock()
    // By itself a process does not know what the others do.
    if (!committed || degraded) {
      watched.notBefore = now + (degraded ? policy.cooldownMs : Math.min(answers[0]!.retryAfterMs, policy.cooldownMs))
      return
    }
    const desk = this.options.steering.desk()
    const mode = modeOf(policy, path)
    const current = ofMode(await desk.find(rateSlot(path)), mode)
    // Somebody was first, or has cancelled it: what was seen is no answer to what holds now.
    if (current?.id !== rate?.id) return
    const orders = ordersFor(path, step, standingOf(rate), mode, now, policy)
    const actions = orders.length === 0 ? [] : await desk.post(orders)
    if (orders.length === 0 && rate) await desk.withdraw([rate])
    this.options.onStep?.({ path, step, actions, mode, at: now })
  }

  private watch(path: string, { windowMs }: ControllerPolicy): Watched {
    return this.watched.of(path, (known) =>
      known?.windowMs === windowMs
        ? known
        : { evidence: new Evidence(windowMs), windowMs, actionId: undefined, busy: false, notBefore: 0 },
    )
  }

  /** How the path is slowed down, and whether it is suspended, by the controller in this mode. */
  private actionsOf(path: string, mode: Action['mode']): [rate: Action | undefined, suspension: Action | undefined] {
    const { steering } = this.options
    return [ofMode(steering.find(rateSlot(path)), mode), ofMode(steering.find(suspensionSlot(path)), mode)]
  }
}

/** Messages that were under way when the step was made. */
function isAboutBefore({ at, begunAt = at }: Outcome, since: number, cooldownMs: number): boolean {
  return begunAt < since || at - since < cooldownMs
}

/** What was ordered in another mode led to nothing that could be seen, or is applied no more. */
function ofMode(action: Action | undefined, mode: Action['mode']): Action | undefined {
  return action?.mode === mode ? action : undefined
}

function modeOf({ mode }: ControllerPolicy, path: string): Action['mode'] {
  return isEnforced(mode, path) ? 'enforce' : 'shadow'
}

function rateSlot(path: string) {
  return { origin: 'controller', kind: 'rate', path } as const
}

function suspensionSlot(path: string) {
  return { origin: 'controller', kind: 'suspend', path } as const
}

function standingOf(rate: Action | undefined): Standing {
  if (!rate) return FULL_SPEED
  const { suspensions = 0, after } = rate.course ?? {}
  return { factor: rate.values.rateFactor ?? 1, suspensions, trialFor: after, since: rate.since }
}

function turnAsk(path: string, intervalMs: number): RateAsk {
  return { op: 'rate', key: pathKey('egress_step', path), enforced: true, intervalMs, burst: 1, cost: 1 }
}

/** What a step comes to on the board; nothing for a path that is back at full speed. */
function ordersFor(
  path: string,
  step: Step,
  { suspensions }: Standing,
  mode: Action['mode'],
  since: number,
  { trial, keepMs }: ControllerPolicy,
): Order[] {
  const { evidence } = step
  if (step.kind !== 'suspend') {
    if (step.factor >= 1) return []
    const values = { rateFactor: step.factor, connectionsFactor: step.factor }
    return [{ ...rateSlot(path), values, evidence, since, until: since + keepMs, mode, course: { suspensions } }]
  }
  const until = since + step.forMs
  // Ordered at once with the suspension, so that the trial needs nobody to begin it.
  const values = { rateFactor: step.after, connectionsFactor: step.after, connections: 1, messageRate: trial.rate }
  const course = { suspensions: suspensions + 1, after: step.after }
  return [
    { ...suspensionSlot(path), values: { suspended: true }, evidence, since, until, mode },
    { ...rateSlot(path), values, evidence, since, until: until + keepMs, mode, course },
  ]
}
