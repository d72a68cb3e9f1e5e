import { senderTarget, sendersOf } from '../../egress/sender-target'
import type { Steering } from '../../egress/steering'
import { type Action, type ActionKind, type ActionValues, type Order, begunAt } from '../../egress/steering-action'
import { type Mode, isEnforced } from '../../policy/mode'
import { sayDuration } from '../../policy/say'
import type { Clock, Store } from '../../store/store'
import { type Classifier, saysNobody } from '../classifier'
import type { Feedback, FeedbackAnswer } from '../feedback'
import type { Pardons } from '../pardon'
import { type Consequence, sayTrigger } from './consequence'
import { Triggers, type Volumes, volumeKey } from './triggers'

export interface AutomationOptions {
  readonly rules: () => Classifier
  readonly mode: () => Mode
  readonly store: () => Store
  readonly steering: Steering
  /** Senders whom nobody holds back for a while. */
  readonly pardons: Pick<Pardons, 'has'>
  /** A recipient is not to be written to any more. Must not throw. */
  readonly suppress: (said: Feedback, forMs: number) => void
  /** Whoever it is to be blamed on is to be found. Must not throw. */
  readonly blame: (said: Feedback, forMs: number) => void
  /** The store could not be asked or told. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
}

/** What is done to whom: the same for many recipients of a message, so that it is done once. */
interface Due {
  readonly said: Feedback & { readonly answer: FeedbackAnswer }
  readonly consequence: Consequence
  readonly target: string
  count: number
}

/** Beyond so many at a time nothing more is set off: the store is too slow, and those that are under way say the same. */
const MOST_UNDER_WAY = 1000

/**
 * Does what the rules for answers say is to be done: reads the stream of feedback, counts what needs counting in the store, and
 * orders. What is ordered ends by itself; a longer order takes the place of a shorter one. Nobody waits for it.
 */
export class Automation {
  private readonly clock: Clock
  private readonly triggers: Triggers
  private readonly underWay = new Set<Promise<void>>()

  constructor(private readonly options: AutomationOptions) {
    this.clock = options.clock ?? Date.now
    this.triggers = new Triggers(options.store)
  }

  /** Never throws. */
  read(all: readonly Feedback[]): void {
    if (this.options.mode().kind === 'off') return
    const due = this.dueOf(all)
    // For each of thousands of recipients of a message, and nothing is asked for it.
    for (const { said, consequence } of due) if (consequence.trigger.kind === 'immediate') this.hand(said, consequence)
    const volumes = this.countVolumes(all)
    this.run(volumes.then(() => undefined))
    for (const one of due) {
      if (isHanded(one.consequence) && one.consequence.trigger.kind === 'immediate') continue
      if (this.underWay.size >= MOST_UNDER_WAY) return
      this.run(volumes.then((known) => this.see(one, known)))
    }
  }

  /** Resolves when what is under way is done, or has failed. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay)
  }

  private run(work: Promise<void>): void {
    const done = work.catch(this.options.onFailure).finally(() => this.underWay.delete(done))
    this.underWay.add(done)
  }

  private dueOf(all: readonly Feedback[]): Due[] {
    const due = new Map<string, Due>()
    for (const said of all) {
      const { answer } = said
      if (answer?.rule === undefined) continue
      const consequences = this.options.rules().ruleNamed(answer.rule)?.consequences ?? []
      for (const [index, consequence] of consequences.entries()) {
        const target = targetOf(consequence, said)
        if (target === undefined) continue
        const key = `${answer.rule} ${index} ${target}`
        const known = due.get(key)
        if (known) known.count++
        else due.set(key, { said: { ...said, answer }, consequence, target, count: 1 })
      }
    }
    return [...due.values()]
  }

  /** Of whatever a rule may want to know a share of. */
  private async countVolumes(all: readonly Feedback[]): Promise<Volumes> {
    const counts = new Map<string, { count: number; windowMs: number }>()
    for (const consequence of this.options.rules().sharesWanted) {
      const { trigger } = consequence
      if (trigger.kind !== 'share') continue
      for (const said of all) {
        const target = targetOf(consequence, said)
        if (target === undefined) continue
        const key = volumeKey(target, trigger.windowMs)
        const known = counts.get(key)
        if (known) known.count++
        else counts.set(key, { count: 1, windowMs: trigger.windowMs })
      }
    }
    return counts.size === 0 ? undefined : this.triggers.volumes(counts)
  }

  private async see({ said, consequence, target, count }: Due, volumes: Volumes): Promise<void> {
    const isPulled = await this.triggers.isPulled(said.answer.rule!, consequence.trigger, target, count, volumes)
    if (!isPulled) return
    if (isHanded(consequence)) this.hand(said, consequence)
    else await this.order(said, consequence, target)
  }

  /** To whoever does it. */
  private hand(said: Feedback, { does, forMs }: Consequence): void {
    if (does === 'suppress') this.options.suppress(said, forMs)
    if (does === 'blame') this.options.blame(said, forMs)
  }

  private async order(said: Due['said'], consequence: Consequence, target: string): Promise<void> {
    const ordered = orderOf(consequence)
    if (!ordered || this.options.pardons.has(target)) return
    const { kind, values, isOnlyShown } = ordered
    const now = this.clock()
    const slot = { origin: 'rule', kind, path: target } as const
    const mode = !isOnlyShown && isEnforced(this.options.mode(), target) ? 'enforce' : 'shadow'
    const known = this.options.steering.find(slot)
    if (known && !takesPlaceOf(known, { mode, forMs: consequence.forMs, isOnlyShown }, now)) return
    const { answer } = said
    const until = now + consequence.forMs
    const order: Order = {
      ...slot,
      values,
      evidence: `${answer.rule}, ${sayTrigger(consequence.trigger, sayDuration)}: ${tell(answer)}`,
      since: begunAt(known, until, now),
      until,
      mode,
    }
    await this.options.steering.post(order)
  }
}

interface Coming extends Pick<Action, 'mode'> {
  readonly forMs: number
  readonly isOnlyShown: boolean | undefined
}

/** A review stands in the place of a pause: it must neither keep one away nor end one. */
function takesPlaceOf(known: Action, { mode, forMs, isOnlyShown }: Coming, now: number): boolean {
  if (known.mode !== mode) return mode === 'enforce' || !isOnlyShown
  // A person who looks at the list shall not see it change with each answer.
  return known.until - now <= forMs / 2
}

/** No order on the board. */
function isHanded({ does }: Consequence): boolean {
  return does === 'suppress' || does === 'blame'
}

/**
 * Undefined: nothing comes of it. Anybody can run a mail server and answer what he likes: what reaches beyond the path to him is
 * believed of providers that the configuration knows.
 */
function targetOf(consequence: Consequence, said: Feedback): string | undefined {
  const { path, source, origin, recipient, provider, answer } = said
  const isKnown = provider !== undefined
  switch (consequence.does) {
    case 'rate':
    case 'connections':
    case 'session':
      return path
    case 'suspend':
      if (consequence.of === 'path') return path
      return path === undefined || source === undefined || !isKnown ? undefined : sourcePattern(path)
    case 'slow':
    case 'pause':
    case 'review': {
      const name = sendersOf(origin).find(({ kind }) => kind === consequence.of)
      return isKnown && name ? senderTarget(name) : undefined
    }
    case 'suppress':
      // That somebody is not there at the moment, or somebody else behind him, is no reason to write to him no more.
      if (answer && saysNobody(answer.responseClass) && !answer.isHard) return undefined
      return `recipient|${recipient.toLowerCase()}`
    case 'blame':
      return isKnown ? path : undefined
    case 'delay':
      // Whoever plans the next attempt sees to it.
      return undefined
  }
}

/** All paths of the source: `egress|SOURCE|*`. */
function sourcePattern(path: string): string {
  return `${path.slice(0, path.indexOf('|', path.indexOf('|') + 1) + 1)}*`
}

interface Ordered {
  readonly kind: ActionKind
  readonly values: ActionValues
  readonly isOnlyShown?: boolean
}

function orderOf(consequence: Consequence): Ordered | undefined {
  switch (consequence.does) {
    case 'suspend':
    case 'pause':
      return { kind: 'suspend', values: { suspended: true } }
    case 'review':
      return { kind: 'suspend', values: { suspended: true }, isOnlyShown: true }
    case 'rate':
      return { kind: 'rate', values: { rateFactor: consequence.factor } }
    case 'connections':
      return { kind: 'connections', values: { connectionsFactor: consequence.factor } }
    case 'session':
      return { kind: 'session', values: { sessionMessages: consequence.messages } }
    case 'slow':
      return { kind: 'rate', values: { messageRate: consequence.to } }
    case 'delay':
    case 'suppress':
    case 'blame':
      return undefined
  }
}

function tell({ code, enhanced, text }: FeedbackAnswer): string {
  return [code === 0 ? undefined : code, enhanced, text].filter((part) => part !== undefined).join(' ')
}
