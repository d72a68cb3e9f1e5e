import { senderTarget, sendersOf, readSenderTarget } from '../../egress/sender-target'
import { keyValue } from '../../keys/key'
import { countingAsk } from '../../policy/counting'
import { MAX_ASKS, type Ask, type Store } from '../../store/store'
import type { Feedback } from '../feedback'
import type { ResponseClass } from '../response-class'
import { Once } from './once'
import type { Standing } from './suspect'

/** What speaks against whoever sent it, and not only against how much all of us send. */
const BAD: ReadonlySet<ResponseClass> = new Set([
  ...(['reputation', 'listed', 'content', 'rate', 'authentication', 'invalid', 'disabled'] as const),
])
/** So often what was counted goes to the store; nobody waits for it. */
const FLUSH_MS = 2000
/** Beyond so many it goes there at once. */
const MOST_WAITING = 500
/** A search looks at no more: of a path through which more senders than this send, the first. */
const MOST_SENDERS = 10_000
/** Complaints come by mail, and say nothing of a path. */
const REPORTS = 'reports'
/** Keys are `blame|PLACE|all|TARGET` and `blame|PLACE|bad|TARGET`. */
const PREFIX = 'blame|'
/** Senders at all places that somebody's counters are looked for among. */
const MOST_COUNTERS = 100_000

interface Counted {
  all: number
  bad: number
}

/**
 * Counts by path and sender what was answered, over all hosts that share the store: what the search for a culprit goes by. In
 * memory for two seconds, so that no message costs a trip of its own.
 */
export class Tally {
  private readonly waiting = new Map<string, Counted>()
  private readonly once: Once
  private timer: NodeJS.Timeout | undefined

  constructor(
    private readonly store: () => Store,
    private readonly windowMs: () => number,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.once = new Once(windowMs)
  }

  count(said: readonly Feedback[]): void {
    for (const one of said) {
      const place = one.path ?? REPORTS
      const adds = this.once.of(one, isBad(one))
      if (!adds) continue
      for (const name of sendersOf(one.origin)) {
        const key = `${keyValue(place)}|${senderTarget(name)}`
        const known = this.waiting.get(key) ?? { all: 0, bad: 0 }
        known.all += adds.all
        known.bad += adds.bad
        this.waiting.set(key, known)
      }
    }
    if (this.waiting.size >= MOST_WAITING) void this.flush().catch(this.onFailure)
    else this.timer ??= setTimeout(() => void this.flush().catch(this.onFailure), FLUSH_MS).unref()
  }

  /** How the senders at a path have done, complaints included. Rejects with `StoreError`. */
  async standingsAt(path: string): Promise<Standing[]> {
    await this.flush()
    const standings = new Map<string, { target: string; all: number; bad: number }>()
    for (const place of [path, REPORTS]) {
      const prefix = `${PREFIX}${keyValue(place)}|`
      for (const { key, counts } of await this.store().list(prefix, 2 * MOST_SENDERS)) {
        const [, what, target] = /^(all|bad)\|(.*)$/s.exec(key.slice(prefix.length)) ?? []
        if (what === undefined || target === undefined) continue
        const known = standings.get(target) ?? { target, all: 0, bad: 0 }
        known[what as 'all' | 'bad'] += counts[0]?.count ?? 0
        standings.set(target, known)
      }
    }
    return [...standings.values()].flatMap(({ target, all, bad }) => {
      const sender = readSenderTarget(target)
      return sender ? [{ target, all, bad, ...sender }] : []
    })
  }

  close(): void {
    clearTimeout(this.timer)
  }

  private async flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    const asks = [...this.waiting].flatMap(([key, { all, bad }]) => {
      const [, place, target] = /^([^|]*)\|(.*)$/s.exec(key)!
      return [
        ...(all > 0 ? [this.ask(`${PREFIX}${place}|all|${target}`, all)] : []),
        ...(bad > 0 ? [this.ask(`${PREFIX}${place}|bad|${target}`, bad)] : []),
      ]
    })
    this.waiting.clear()
    for (let at = 0; at < asks.length; at += MAX_ASKS) await this.store().judge(asks.slice(at, at + MAX_ASKS))
  }

  private ask(key: string, cost: number): Ask {
    return countingAsk(key, cost, this.windowMs())
  }
}

/**
 * Keys of all that is counted at the places where these senders have done badly, so that it can be forgotten: what was
 * forgiven an account would else be laid at the door of its tenant. Rejects with `StoreError`.
 */
export async function countedBeside(store: Store, targets: readonly string[]): Promise<string[]> {
  const known = (await store.list(PREFIX, MOST_COUNTERS)).map(({ key }) => ({ key, ...readKey(key) }))
  const places = new Set(known.flatMap(({ place, bad }) => (bad !== undefined && targets.includes(bad) ? place : [])))
  return known.flatMap(({ key, place }) => (places.has(place) ? key : []))
}

/** `bad`: whose bad answers it counts. */
function readKey(key: string): { readonly place: string; readonly bad: string | undefined } {
  const [, place = '', bad] = /^blame\|([^|]*)\|(?:all\||bad\|(.*))/s.exec(key) ?? []
  return { place, bad }
}

function isBad({ kind, answer }: Feedback): boolean {
  if (kind === 'complaint') return true
  return answer !== undefined && BAD.has(answer.responseClass)
}
