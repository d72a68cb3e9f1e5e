import { type SenderName, senderTarget, sendersOf } from '../../egress/sender-target'
import { Recent } from '../../egress/recent'
import type { Steering } from '../../egress/steering'
import { type Action, type ActionKind, LONGEST_ACTION_MS, type Order } from '../../egress/steering-action'
import { pathKey } from '../../egress/path-key'
import { type Mode, isEnforced } from '../../policy/mode'
import type { Clock, RateAsk, Store } from '../../store/store'
import type { Feedback } from '../feedback'
import { Counting, isAgainstSender } from './counting'
import { type Figures, SENDERS_A_TRIP, difference, excuse, tellCounts, withoutExcused } from './figures'
import type { GuardPolicy } from './guard-policy'
import { type SenderStanding, type Step, judgeSender } from './judgement'
import type { Pardons } from '../pardon'
import { type Tally, Tallies } from './tallies'

/** A step that this process has made, once it stands. Told in one process of all. */
export interface SenderStep extends Step {
  readonly name: SenderName
  readonly target: string
  /** The action; of a recovery the one that has ended. */
  readonly action: Action
  readonly at: number
}

export interface SenderGuardOptions {
  readonly policy: () => { readonly mode: Mode; readonly guard: GuardPolicy }
  readonly store: () => Store
  /** Follows the board of the same store. */
  readonly steering: Steering
  /** Whom the guard leaves alone for a while. */
  readonly pardons: Pick<Pardons, 'has'>
  /** Must not throw. */
  readonly onStep: (step: SenderStep) => void
  /** The store could not be asked or told; senders stay as they are. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
  /** Calls back once after so many ms; what it returns calls that off. */
  readonly later?: (callback: () => void, afterMs: number) => () => void
}

/** What was said is told to the store so often: a campaign of thousands a second is a trip for ten senders. */
const TELL_EVERY_MS = 1000
/** Between two steps of a sender, over all processes: each knows by then what the other has done. */
const STEP_APART_MS = 2000
const MOST_SENDERS = 10_000

/**
 * Slows senders down and pauses them whose mail bounces or is complained of too often. All processes count in the store, and
 * whoever sees a share rise above its threshold makes the step, if it gets the turn for it. Who is paused stays so until a
 * person lets him go; who is slowed down goes on by himself when his figures are better.
 *
 * Of campaign, account, client and tenant the most particular one is held; what is held against it does not count against the
 * others.
 */
export class SenderGuard {
  private readonly clock: Clock
  private readonly later: NonNullable<SenderGuardOptions['later']>
  private readonly counting = new Counting()
  private readonly tallies = new Tallies()
  /** Who else a sender's mail is of, less particular than he is. */
  private readonly wider = new Recent<ReadonlySet<string>>(MOST_SENDERS)
  /** How many more particular ones there may be in a row. */
  private readonly depth = new Recent<number>(MOST_SENDERS)
  /** Since when somebody is to be held who is not the most particular. */
  private readonly suspected = new Recent<number>(MOST_SENDERS)
  /** Who was just held, with the figures that were excused for those less particular. */
  private readonly excused = new Recent<Figures>(MOST_SENDERS)
  private underWay: Promise<void> = Promise.resolve()
  private callOff: (() => void) | undefined
  private dueAt = Infinity
  private isClosed = false

  constructor(private readonly options: SenderGuardOptions) {
    this.clock = options.clock ?? Date.now
    this.later = options.later ?? laterBySystem
  }

  /** As a reader of the stream of feedback. */
  readonly note = (said: readonly Feedback[]): void => {
    if (this.options.policy().mode.kind === 'off') return
    for (const one of said) this.count(one)
    if (this.tallies.size > 0) this.tellIn(TELL_EVERY_MS)
  }

  /** Resolves when all that was noted is told, and what follows from it is done or has failed. */
  settled(): Promise<void> {
    this.callOff?.()
    this.callOff = undefined
    this.dueAt = Infinity
    this.underWay = this.underWay.then(() => this.tell()).catch((error: unknown) => this.options.onFailure(error))
    return this.underWay
  }

  /** Tells the store what it has not been told, and nothing from then on. */
  async close(): Promise<void> {
    const told = this.settled()
    this.isClosed = true
    await told
  }

  /** Words about recipients that were counted for nobody, since the start. */
  get passedOver(): number {
    return this.tallies.passedOver
  }

  private count(said: Feedback): void {
    const counts = this.counting.countsOf(said)
    if (!counts) return
    const names = sendersOf(said.origin)
    const targets = names.map(senderTarget)
    for (const [index, name] of names.entries()) {
      const target = targets[index]!
      this.tallies.add(name, counts)
      const { answer } = said
      if (answer && said.kind !== 'delivered' && (answer.isHard || isAgainstSender(answer))) {
        this.tallies.hear(target, answer)
      }
      this.noteWider(target, targets.slice(index + 1))
      // What comes of it from now on is his alone.
      const { slow, pause } = this.actionsOf(target)
      if (slow ?? pause ?? this.options.pardons.has(target)) break
    }
  }

  private noteWider(target: string, wider: readonly string[]): void {
    if (wider.length === 0) return
    wider.forEach((one, index) => this.depth.of(one, (known = 0) => Math.max(known, index + 1)))
    this.wider.of(target, (known) => {
      if (known && wider.every((one) => known.has(one))) return known
      // A campaign of many accounts: the last few are enough.
      return new Set([...wider, ...(known ?? [])].slice(0, 8))
    })
  }

  private tellIn(afterMs: number): void {
    const dueAt = this.clock() + afterMs
    if (this.isClosed || dueAt >= this.dueAt) return
    this.callOff?.()
    this.dueAt = dueAt
    this.callOff = this.later(() => void this.settled(), afterMs)
  }

  private async tell(): Promise<void> {
    const tallies = this.tallies.take()
    for (let start = 0; start < tallies.length; start += SENDERS_A_TRIP) {
      await this.tellSome(tallies.slice(start, start + SENDERS_A_TRIP))
    }
  }

  private async tellSome(tallies: readonly Tally[]): Promise<void> {
    const { guard } = this.options.policy()
    const all = await tellCounts(this.options.store(), tallies, guard)
    if (!all) return
    for (const [index, tally] of tallies.entries()) await this.judge(tally, all[index]!, guard)
  }

  private async judge(tally: Tally, figures: Figures, guard: GuardPolicy): Promise<void> {
    const before = this.actionsOf(tally.target)
    await this.excuseLate(tally.target, figures)
    if (!judgeSender(guard, figures, standingOf(before))) return this.suspected.forget(tally.target)
    const waitMs = this.othersFirstMs(tally.target)
    if (waitMs > 0) return this.lookAgain(tally.name, waitMs)
    // Few come so far: only here it matters what somebody more particular is held for.
    const left = await withoutExcused(this.options.store(), tally.target, figures, guard)
    const step = left && judgeSender(guard, left, standingOf(before))
    if (step && !this.options.pardons.has(tally.target)) await this.make(tally, step, left, before)
  }

  /** Whatever process sees it first, what is held against a campaign is not to be held against its account and tenant too. */
  private othersFirstMs(target: string): number {
    const now = this.clock()
    const since = this.suspected.of(target, (known) => known ?? now)
    return since + (this.depth.get(target) ?? 0) * 2 * STEP_APART_MS - now
  }

  /** What is held against a sender does not count against those that are less particular. */
  private async excuseWider({ target, name }: Tally, figures: Figures): Promise<void> {
    await excuse(this.options.store(), [...(this.wider.get(target) ?? [])], figures, this.options.policy().guard)
    // Other processes have counted meanwhile, and did not know of it yet.
    this.excused.set(target, figures)
    this.lookAgain(name, STEP_APART_MS)
  }

  private async excuseLate(target: string, figures: Figures): Promise<void> {
    const before = this.excused.get(target)
    if (!before) return
    this.excused.forget(target)
    const late = difference(figures, before)
    await excuse(this.options.store(), [...(this.wider.get(target) ?? [])], late, this.options.policy().guard)
  }

  private async make(tally: Tally, step: Step, figures: Figures, before: Held): Promise<void> {
    const { target, name } = tally
    const store = this.options.store()
    const { committed, answers, degraded } = await store.judge([turnAsk(target)])
    if (!committed || degraded) return this.lookAgain(name, degraded ? STEP_APART_MS : answers[0]!.retryAfterMs)
    if (await this.isChanged(target, before)) return this.lookAgain(name, STEP_APART_MS)
    const action = await this.order(target, step, before)
    if (!action) return
    if (!before.slow && step.kind !== 'recover') await this.excuseWider(tally, figures)
    this.options.onStep({ ...step, evidence: action.evidence, name, target, action, at: this.clock() })
  }

  /** Nobody may say another word about him, and he is to be judged all the same. */
  private lookAgain(name: SenderName, afterMs: number): void {
    this.tallies.touch(name)
    this.tellIn(afterMs)
  }

  /** Somebody was first, or has let him go: what was counted is no answer to what holds now. */
  private async isChanged(target: string, before: Held): Promise<boolean> {
    const desk = this.options.steering.desk()
    const mode = this.modeOf(target)
    const slow = ofMode(await desk.find(slotOf(target, 'rate')), mode)
    const pause = ofMode(await desk.find(slotOf(target, 'suspend')), mode)
    return slow?.id !== before.slow?.id || pause?.id !== before.pause?.id
  }

  private async order(target: string, step: Step, before: Held): Promise<Action | undefined> {
    const { steering, policy } = this.options
    const { guard } = policy()
    if (step.kind === 'recover') {
      this.tallies.forgetAnswers(target)
      return before.slow && (await steering.desk().withdraw([before.slow])) > 0 ? before.slow : undefined
    }
    const since = this.clock()
    const most = step.fault === 'complaints' ? undefined : this.tallies.mostHeard(target)
    const evidence = most === undefined ? step.evidence : `${step.evidence}, most: ${most}`
    const common = { path: target, origin: 'guard', since, evidence, mode: this.modeOf(target) } as const
    const order: Order =
      step.kind === 'pause'
        ? { ...common, kind: 'suspend', values: { suspended: true }, until: since + LONGEST_ACTION_MS }
        : { ...common, kind: 'rate', values: { messageRate: guard.rate }, until: since + slowForMs(step, guard) }
    return steering.post(order)
  }

  private actionsOf(target: string): Held {
    const { steering } = this.options
    const mode = this.modeOf(target)
    return {
      slow: ofMode(steering.find(slotOf(target, 'rate')), mode),
      pause: ofMode(steering.find(slotOf(target, 'suspend')), mode),
    }
  }

  private modeOf(target: string): Action['mode'] {
    return isEnforced(this.options.policy().mode, target) ? 'enforce' : 'shadow'
  }
}

/** How somebody is held, by the guard in this mode. */
interface Held {
  readonly slow: Action | undefined
  readonly pause: Action | undefined
}

function standingOf({ slow, pause }: Held): SenderStanding {
  return { isSlowed: slow !== undefined, isPaused: pause !== undefined }
}

/** By then all that led to it is forgotten: who is slowed down again has earned it anew. */
function slowForMs({ fault }: Step, { windowMs, complaints }: GuardPolicy): number {
  return fault === 'complaints' ? complaints.windowMs : windowMs
}

/** What was ordered in another mode led to nothing that could be seen, or is applied no more. */
function ofMode(action: Action | undefined, mode: Action['mode']): Action | undefined {
  return action?.mode === mode ? action : undefined
}

function slotOf(target: string, kind: ActionKind) {
  return { origin: 'guard', kind, path: target } as const
}

function turnAsk(target: string): RateAsk {
  const key = pathKey('guard_step', target)
  return { op: 'rate', key, enforced: true, intervalMs: STEP_APART_MS, burst: 1, cost: 1 }
}

function laterBySystem(callback: () => void, afterMs: number): () => void {
  const timer = setTimeout(callback, afterMs).unref()
  return () => clearTimeout(timer)
}
