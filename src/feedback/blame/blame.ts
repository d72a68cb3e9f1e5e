import { Recent } from '../../egress/recent'
import { saySender } from '../../egress/sender-target'
import type { Steering } from '../../egress/steering'
import { type Order, begunAt } from '../../egress/steering-action'
import { pathKey } from '../../egress/path-key'
import { type Mode, isEnforced } from '../../policy/mode'
import { sayDuration } from '../../policy/say'
import type { Clock, Store } from '../../store/store'
import type { BlamePolicy } from '../automation/policy'
import type { Feedback } from '../feedback'
import type { Pardons } from '../pardon'
import { type Suspect, domainIn, suspectIn } from './suspect'
import { Tally } from './tally'

export interface BlameOptions {
  readonly policy: () => { readonly mode: Mode; readonly blame: BlamePolicy }
  readonly store: () => Store
  readonly steering: Steering
  /** Whom nobody holds back for a while. */
  readonly pardons: Pick<Pardons, 'has'>
  /** Must not throw. */
  readonly onNotice: (message: string) => void
  /** The store could not be asked or told. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
}

/** For a path it is looked no more often than this, over all hosts: answers of a burst all say the same. */
const LOOK_MS = 60_000
/** That it goes on in spite of being slowed down is known only after a while. */
const ESCALATE_MS = 5 * 60_000
/** That nobody is to blame is told of a path no more often than this. */
const TELL_MS = 3_600_000
const MOST_PATHS = 10_000

/**
 * Finds whoever it is to be blamed on that a provider thinks ill of us, and holds him back: slowed down at first, paused when it
 * goes on. The front heeds what is ordered here, so that his next message waits.
 */
export class Blame {
  private readonly clock: Clock
  private readonly tally: Tally
  private readonly told = new Recent<number>(MOST_PATHS)
  private readonly underWay = new Set<Promise<void>>()

  constructor(private readonly options: BlameOptions) {
    this.clock = options.clock ?? Date.now
    this.tally = new Tally(options.store, () => options.policy().blame.windowMs, options.onFailure)
  }

  /** Never throws. */
  read(said: readonly Feedback[]): void {
    if (this.options.policy().mode.kind !== 'off') this.tally.count(said)
  }

  /** Looks for whoever an answer is to be blamed on. Nobody waits for it. */
  look(said: Feedback, forMs: number): void {
    const { path } = said
    if (path === undefined) return
    const done = this.find(path, said, forMs)
      .catch(this.options.onFailure)
      .finally(() => this.underWay.delete(done))
    this.underWay.add(done)
  }

  /** Resolves when what is under way is done, or has failed. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay)
  }

  close(): void {
    this.tally.close()
  }

  private async find(path: string, said: Feedback, forMs: number): Promise<void> {
    const turn = { op: 'rate', key: pathKey('blame_turn', path), intervalMs: LOOK_MS, burst: 1, cost: 1 } as const
    const { committed, degraded } = await this.options.store().judge([{ ...turn, enforced: true }])
    // By itself a process does not know who else sends.
    if (!committed || degraded) return
    const { blame, mode } = this.options.policy()
    const standings = await this.tally.standingsAt(path)
    const { answer } = said
    const named = answer?.scope === 'spf_domain' || answer?.scope === 'dkim_domain' ? domainIn(answer.text) : undefined
    const suspect = suspectIn(standings, blame, named)
    if (!suspect) return this.tellNobody(path, said)
    await this.holdBack(suspect, path, said, forMs, mode)
  }

  private async holdBack(suspect: Suspect, path: string, said: Feedback, forMs: number, mode: Mode): Promise<void> {
    const { blame } = this.options.policy()
    const { target } = suspect.standing
    const { steering, pardons } = this.options
    if (pardons.has(target)) return
    const now = this.clock()
    const slowed = steering.find({ origin: 'blame', kind: 'rate', path: target })
    const paused = steering.find({ origin: 'blame', kind: 'suspend', path: target })
    const isToBePaused = paused !== undefined || (slowed !== undefined && now - slowed.since >= ESCALATE_MS)
    const until = now + (isToBePaused ? blame.pauseMs : forMs)
    const order: Order = {
      path: target,
      origin: 'blame',
      ...(isToBePaused
        ? { kind: 'suspend', values: { suspended: true } }
        : { kind: 'rate', values: { messageRate: blame.slow } }),
      until,
      since: begunAt(isToBePaused ? paused : slowed, until, now),
      evidence: evidenceOf(suspect, path, said, blame.windowMs),
      mode: isEnforced(mode, target) ? 'enforce' : 'shadow',
    }
    await steering.post(order)
  }

  private tellNobody(path: string, { answer }: Feedback): void {
    const now = this.clock()
    const known = this.told.get(path)
    if (known !== undefined && now - known < TELL_MS) return
    this.told.set(path, now)
    const what = answer ? `${answer.code} ${answer.enhanced ?? ''} ${answer.text}`.replaceAll(/\s+/g, ' ') : 'a report'
    this.options.onNotice(`${path}: no single sender is to blame for "${what.slice(0, 160)}"`)
  }
}

function evidenceOf(
  { standing, badOfAll, all }: Suspect,
  path: string,
  { answer }: Feedback,
  windowMs: number,
): string {
  const { bad, all: own } = standing
  const others = `of the others ${badOfAll - bad} of ${all - own}`
  const figures = `${bad} of ${own} recipients of ${saySender(standing)} were answered badly in ${sayDuration(windowMs)}, ${others}`
  const last = answer && [answer.code || undefined, answer.enhanced, answer.text].filter((part) => part !== undefined)
  return `${answer?.rule ?? 'a report'} at ${path}: ${figures}${last ? `; ${last.join(' ')}` : ''}`
}
