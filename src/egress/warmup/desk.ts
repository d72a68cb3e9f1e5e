import { keyText } from '../../keys/key'
import { type BoardEntry, type Clock, MAX_BOARD_ENTRIES, MAX_BOARD_TEXT, type Store } from '../../store/store'
import { readObject } from '../untrusted'
import { partsOf } from './counters'
import { type Course, courseText, readCourse } from './course'
import type { WarmupId } from './policy'

/** Where courses stand on the store's board. */
export const COURSE_PREFIX = 'egress_warmup|'
/** So long a course is kept of which nothing is heard. */
const KEEP_MS = 400 * 86_400_000
/** Who has the turn reads and posts within this, or another does the same again, which comes to the same. */
const TURN_MS = 2000

export interface Warming {
  readonly id: WarmupId
  readonly course: Course
}

/** Courses as they stand on the store's board. Rejects with `StoreError` when the store cannot be asked or told. */
export class WarmupDesk {
  constructor(
    private readonly store: Store,
    private readonly clock: Clock = Date.now,
  ) {}

  /** All there are, in the order of their keys. */
  async list(): Promise<Warming[]> {
    const entries = await this.store.readBoard(COURSE_PREFIX, MAX_BOARD_ENTRIES)
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1)).flatMap((entry) => readEntry(entry, this.clock()) ?? [])
  }

  async read(id: WarmupId): Promise<Course | undefined> {
    const key = courseKey(id)
    const entries = await this.store.readBoard(key, MAX_BOARD_ENTRIES)
    const own = entries.find((entry) => entry.key === key)
    return own && readEntry(own, this.clock())?.course
  }

  /**
   * Puts another course in the place of what stands there; `make` is told that, and says undefined when it is to stay as it is.
   * One process at a time: 'busy' when it is the turn of another, in `retryAfterMs` at most.
   */
  async change(
    id: WarmupId,
    make: (known: Course | undefined) => Promise<Course | undefined> | Course | undefined,
  ): Promise<{ readonly course: Course | undefined } | { readonly retryAfterMs: number }> {
    const key = keyText('egress_warmup_turn', partsOf(id))
    const turn = { op: 'rate', key, enforced: true, intervalMs: TURN_MS, burst: 1, cost: 1 } as const
    const { committed, answers, degraded } = await this.store.judge([turn])
    // By itself a process does not know what the others do.
    if (!committed || degraded) return { retryAfterMs: degraded ? TURN_MS : answers[0]!.retryAfterMs }
    const known = await this.read(id)
    const course = await make(known)
    if (course) await this.store.post([entryOf(id, course, this.clock())])
    return { course: course ?? known }
  }

  /** Returns whether it was there. */
  async forget(id: WarmupId): Promise<boolean> {
    return (await this.store.withdraw([courseKey(id)])) > 0
  }
}

export function courseKey(id: WarmupId): string {
  return keyText(COURSE_PREFIX.slice(0, -1), partsOf(id))
}

function entryOf(id: WarmupId, course: Course, now: number): BoardEntry {
  return { key: courseKey(id), text: courseText(id, course, MAX_BOARD_TEXT), expiresAt: now + KEEP_MS }
}

/** Undefined for an entry that is no course, or is over. */
export function readEntry({ key, text, expiresAt }: BoardEntry, now: number): Warming | undefined {
  if (!key.startsWith(COURSE_PREFIX) || expiresAt <= now) return undefined
  const read = readObject(text)
  const id = readId(read)
  const course = readCourse(read)
  return id && course && courseKey(id) === key ? { id, course } : undefined
}

function readId({ source, group, tenant }: Record<string, unknown>): WarmupId | undefined {
  if (typeof tenant === 'string') return { tenant }
  return typeof source === 'string' && typeof group === 'string' ? { source, group } : undefined
}
