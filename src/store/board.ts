import {
  type BoardChange,
  type BoardEntry,
  type Clock,
  MAX_BOARD_ENTRIES,
  MAX_BOARD_TEXT,
  MAX_KEY_LENGTH,
} from './store'

/** Each entry that is put up pays for so many that go, when there are too many. */
const LEAVE_PER_ENTRY = 2
/** Rebuilding the heap sooner would cost more than the entries it still holds for nothing. */
const SPARE = 64
const KEY = new RegExp(`^[\\x20-\\x7e]{1,${MAX_KEY_LENGTH}}$`)

/** A change of one entry. */
export type BoardStep = Exclude<BoardChange, { kind: 'all' }>

/**
 * A board in memory: entries by key, and a heap of them by expiry, so that the soonest to expire is at hand when there
 * are too many. Nothing leaves it by itself but for that: what has expired is not read, and goes by {@link prune}.
 */
export class Board {
  private readonly entries = new Map<string, BoardEntry>()
  /** Least expiry first. Entries that were replaced or removed stay in it until they come up, or are too many. */
  private heap: BoardEntry[] = []

  constructor(
    private readonly clock: Clock,
    private readonly most = MAX_BOARD_ENTRIES,
  ) {}

  /** With those that have expired and are not yet pruned. */
  get size(): number {
    return this.entries.size
  }

  /** Live or not. */
  get(key: string): BoardEntry | undefined {
    return this.entries.get(key)
  }

  /** Puts entries up. Returns what became of it all: posted, or withdrawn to make room. Nothing for one that was there as it is. */
  put(entries: readonly BoardEntry[]): BoardStep[] {
    const before = new Map<string, BoardEntry | undefined>()
    const now = this.clock()
    for (const { key, text, expiresAt } of entries) {
      if (!before.has(key)) before.set(key, this.entries.get(key))
      if (expiresAt > now) this.set({ key, text, expiresAt })
      else this.entries.delete(key)
    }
    for (let leave = LEAVE_PER_ENTRY * entries.length; leave > 0 && this.entries.size > this.most; leave--) {
      const gone = this.takeSoonest()
      if (!before.has(gone.key)) before.set(gone.key, gone)
    }
    return this.changesSince(before, now)
  }

  /** Takes entries off. Returns those that were live as withdrawn. */
  remove(keys: readonly string[]): BoardStep[] {
    const before = new Map<string, BoardEntry | undefined>()
    for (const key of keys) {
      if (!before.has(key)) before.set(key, this.entries.get(key))
      this.entries.delete(key)
    }
    this.tidyHeap()
    return this.changesSince(before, this.clock())
  }

  /** Puts up just these, and nothing else stays. */
  replace(entries: readonly BoardEntry[]): void {
    this.entries.clear()
    for (const entry of entries) this.entries.set(entry.key, entry)
    this.rebuildHeap()
  }

  /** Live entries whose key starts with `prefix`, in no order, at most `most`. */
  read(prefix = '', most = Infinity): BoardEntry[] {
    const now = this.clock()
    const found: BoardEntry[] = []
    for (const entry of this.entries.values()) {
      if (found.length >= most) break
      if (entry.expiresAt > now && entry.key.startsWith(prefix)) found.push(entry)
    }
    return found
  }

  /** Forgets what has expired, at most so many, and returns their keys. */
  prune(most: number): string[] {
    const now = this.clock()
    const keys: string[] = []
    while (keys.length < most && this.entries.size > 0) {
      this.dropStale()
      if (this.heap[0]!.expiresAt > now) break
      keys.push(this.takeSoonest().key)
    }
    return keys
  }

  private changesSince(before: ReadonlyMap<string, BoardEntry | undefined>, now: number): BoardStep[] {
    const changes: BoardStep[] = []
    for (const [key, old] of before) {
      const entry = this.entries.get(key)
      if (entry === undefined) {
        if (old !== undefined && old.expiresAt > now) changes.push({ kind: 'withdrawn', key })
      } else if (old?.text !== entry.text || old.expiresAt !== entry.expiresAt) {
        changes.push({ kind: 'posted', entry })
      }
    }
    return changes
  }

  private set(entry: BoardEntry): void {
    this.entries.set(entry.key, entry)
    this.heap.push(entry)
    this.siftUp(this.heap.length - 1)
    this.tidyHeap()
  }

  /** Of a board that is not empty. */
  private takeSoonest(): BoardEntry {
    this.dropStale()
    const soonest = this.heap[0]!
    this.dropTop()
    this.entries.delete(soonest.key)
    return soonest
  }

  /** Drops what is on top of the heap for nothing. */
  private dropStale(): void {
    while (this.heap.length > 0 && this.entries.get(this.heap[0]!.key) !== this.heap[0]) this.dropTop()
  }

  private dropTop(): void {
    const last = this.heap.pop()!
    if (this.heap.length === 0) return
    this.heap[0] = last
    this.siftDown()
  }

  private tidyHeap(): void {
    if (this.heap.length > 2 * this.entries.size + SPARE) this.rebuildHeap()
  }

  private rebuildHeap(): void {
    this.heap = [...this.entries.values()].sort((a, b) => a.expiresAt - b.expiresAt)
  }

  private siftUp(from: number): void {
    const { heap } = this
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.expiresAt <= heap[at]!.expiresAt) return
      this.swap(at, parent)
      at = parent
    }
  }

  private siftDown(): void {
    const { heap } = this
    for (let at = 0; ;) {
      const left = 2 * at + 1
      if (left >= heap.length) return
      const right = left + 1
      const child = right < heap.length && heap[right]!.expiresAt < heap[left]!.expiresAt ? right : left
      if (heap[at]!.expiresAt <= heap[child]!.expiresAt) return
      this.swap(at, child)
      at = child
    }
  }

  private swap(a: number, b: number): void {
    const { heap } = this
    const held = heap[a]!
    heap[a] = heap[b]!
    heap[b] = held
  }
}

export function keyOf(step: BoardStep): string {
  return step.kind === 'posted' ? step.entry.key : step.key
}

/** Throws a RangeError at the first that no store takes. */
export function checkEntries(entries: readonly BoardEntry[]): void {
  for (const { key, text, expiresAt } of entries) {
    checkKey(key)
    if (text.length > MAX_BOARD_TEXT) {
      throw new RangeError(`the text of ${key} has ${text.length} characters, at most ${MAX_BOARD_TEXT} fit the board`)
    }
    if (!Number.isFinite(expiresAt)) throw new RangeError(`${key} must expire at some time, not at ${expiresAt}`)
  }
}

/** Throws a RangeError at the first that no store takes. */
export function checkKeys(keys: readonly string[]): void {
  for (const key of keys) checkKey(key)
}

function checkKey(key: string): void {
  if (KEY.test(key)) return
  throw new RangeError(`${JSON.stringify(key)} is no key: it must be 1 to ${MAX_KEY_LENGTH} printable ASCII characters`)
}
