import { countingAsk } from '../policy/counting'
import { isEnforced } from '../policy/mode'
import type { Ask, Clock, Store } from '../store/store'
import type { BreakerPolicy, ControllerPolicy } from './controller-policy'
import { pathKey } from './path-key'
import { Recent } from './recent'
import type { Steering } from './steering'
import type { Action } from './steering-action'

export interface BreakerOptions {
  readonly policy: () => Pick<ControllerPolicy, 'mode' | 'breaker'>
  readonly store: () => Store
  /** Follows the board of the same store. */
  readonly steering: Steering
  /** This process has slowed a path down, or has done so for longer; it does not hold any more: as usual again. Must not throw. */
  readonly onChange?: (action: Action, holds: boolean) => void
  /** The store could not be asked or told; the path stays as it is. Must not throw. */
  readonly onFailure: (error: unknown) => void
  readonly clock?: Clock
}

interface Watched {
  /** Attempts that the store has not been told of. */
  fresh: number
  lookedAt: number
  busy: boolean
  /** Of all processes, when this one looked last. */
  volume: number | undefined
  /** The path was slowed down, and has not been as usual since. */
  broken: boolean
}

/** Each process tells the store so often what it has tried, in one trip, and hears what all have. */
const LOOK_MS = 60_000
const VOLUME_MS = 300_000
/** What is usual: a mean over a day or so in which the path was in use, known after an hour of that. */
const USUAL = { leastSamples: 12, most: 288, halfLifeMs: 86_400_000, apartMs: VOLUME_MS, keepMs: 14 * 86_400_000 }
const HOLD_MS = 600_000
/** Volumes up to 2 to the power of twice this fit a sample. */
const HALF_RANGE = 12
/** Slowing a path down makes its volume smaller; below that by so much it is as usual again. */
const HYSTERESIS = 0.9
const MOST_PATHS = 10_000

/**
 * Slows a path down whose volume jumps, as it does when another server or source has failed and this one takes over: what
 * it bears is not known at such a volume, and the other side sees a sender that behaves like a stolen one. What is usual is
 * shared by all processes in the store. It sees a jump, not its cause: a campaign after quiet days is one too.
 */
export class Breaker {
  private readonly clock: Clock
  private readonly watched = new Recent<Watched>(MOST_PATHS)
  private readonly underWay = new Set<Promise<void>>()

  constructor(private readonly options: BreakerOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Counts an attempt. Never throws. */
  note(path: string): void {
    const { mode, breaker } = this.options.policy()
    if (mode.kind === 'off' || !breaker) return
    const now = this.clock()
    const watched = this.watched.of(
      path,
      (known) => known ?? { fresh: 0, lookedAt: now, busy: false, volume: undefined, broken: false },
    )
    watched.fresh++
    if (watched.busy || Math.abs(now - watched.lookedAt) < LOOK_MS) return
    watched.lookedAt = now
    watched.busy = true
    const looked = this.look(path, watched, breaker)
      .catch(this.options.onFailure)
      .finally(() => {
        watched.busy = false
        this.underWay.delete(looked)
      })
    this.underWay.add(looked)
  }

  /** Resolves when what is under way is done, or has failed. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay)
  }

  private async look(path: string, watched: Watched, policy: BreakerPolicy): Promise<void> {
    const told = watched.fresh
    const { answers, degraded } = await this.options.store().judge(asksFor(path, told, watched.volume))
    if (degraded) return
    watched.fresh -= told
    const [counted, merit] = answers
    const volume = (counted?.count ?? 0) + told
    watched.volume = volume
    if (!merit?.ok) return
    const usual = volumeOf(merit.mean ?? 0)
    const own = this.options.steering.find({ origin: 'breaker', kind: 'rate', path })
    watched.broken ||= own !== undefined
    if (volume >= policy.least && volume > policy.times * usual) {
      return this.slowDown(path, watched, policy, own, `${volume} attempts in 5 min`, usual)
    }
    if (volume >= policy.least && volume > policy.times * policy.factor * HYSTERESIS * usual) return
    watched.broken = false
    if (own && (await this.options.steering.desk().withdraw([own])) > 0) this.options.onChange?.(own, false)
  }

  private async slowDown(
    path: string,
    watched: Watched,
    { times, factor, longestMs }: BreakerPolicy,
    own: Action | undefined,
    seen: string,
    usual: number,
  ): Promise<void> {
    // It has run out, or somebody has cancelled it: once is enough.
    if (!own && watched.broken) return
    const now = this.clock()
    const since = own?.since ?? now
    const until = Math.min(now + HOLD_MS, since + longestMs)
    if (own && (own.until - now > HOLD_MS / 2 || until <= own.until)) return
    const turn = { op: 'rate', key: pathKey('egress_breaker', path), intervalMs: LOOK_MS, burst: 1, cost: 1 } as const
    const { committed, degraded } = await this.options.store().judge([{ ...turn, enforced: true }])
    if (!committed || degraded) return
    watched.broken = true
    const action = await this.options.steering.post({
      ...{ path, origin: 'breaker', kind: 'rate', since, until },
      values: { rateFactor: factor, connectionsFactor: factor },
      evidence: `${seen}, more than ${times} times the usual ${Math.round(usual)}`,
      mode: isEnforced(this.options.policy().mode, path) ? 'enforce' : 'shadow',
    })
    this.options.onChange?.(action, true)
  }
}

function asksFor(path: string, told: number, before: number | undefined): Ask[] {
  const sample = before === undefined ? {} : { sample: sampleOf(before) }
  return [
    countingAsk(pathKey('egress_volume', path), told, VOLUME_MS),
    { op: 'merit', key: pathKey('egress_usual', path), enforced: false, leastMean: -1, ...USUAL, ...sample },
  ]
}

/** By its logarithm: a mean of volumes would be that of the largest alone. */
function sampleOf(volume: number): number {
  return Math.min(1, Math.log2(1 + volume) / HALF_RANGE - 1)
}

function volumeOf(sample: number): number {
  return 2 ** ((sample + 1) * HALF_RANGE) - 1
}
