import { type Suppression, SUPPRESSION_PREFIX, holdsFor, suppressionKey } from '../policy/suppression'
import { keyText } from '../keys/key'
import type { Clock, Records, RecordsRead, StoredRecord } from '../store/store'
import { type KeptFor, type NewSuppression, entryOf, normalAddress, readSuppression, recordOf } from './suppression'

export interface SuppressionListOptions {
  readonly records: () => Records
  readonly keptFor: () => KeptFor
  readonly clock?: Clock
}

/** Of whom a message is. */
export interface Sending {
  readonly tenant: string | undefined
  /** It has no sender. */
  readonly isBounce: boolean
}

export interface Added {
  readonly added: number
  /** What could not be read, by its place among those that were to be added. */
  readonly problems: readonly { readonly index: number; readonly problem: string }[]
}

export interface SuppressionPage {
  readonly entries: readonly Suppression[]
  /** Where the next page begins. */
  readonly cursor: string | undefined
}

/** While a shared store is known to hold nothing at all, nothing is looked up. Others may know sooner by so much. */
const EMPTY_HOLDS_MS = 1000

/** Addresses that no mail is sent to. Everything rejects with a `StoreError` where the store does. */
export class SuppressionList {
  private readonly clock: Clock
  private emptyUntil = 0
  private isCounting = false

  constructor(private readonly options: SuppressionListOptions) {
    this.clock = options.clock ?? Date.now
  }

  /** Adds what can be read, in place of what was known of the same addresses, and says what cannot. */
  add(entries: readonly NewSuppression[]): Promise<Added> {
    return this.put(entries, (records) => records)
  }

  /** The same, but what stands there for longer stays: a bounce does not end what a person has said for good. */
  learn(entries: readonly NewSuppression[]): Promise<Added> {
    return this.put(entries, async (records) => {
      const { records: known } = await this.options.records().get(records.map(({ key }) => key))
      return records.filter(({ expiresAt }, index) => (known[index]?.expiresAt ?? 0) < expiresAt)
    })
  }

  /** Takes an address off, for one tenant or for everybody. Returns whether it was there. */
  async remove(address: string, tenant: string | undefined): Promise<boolean> {
    const normal = normalAddress(address)
    if (normal === undefined) return false
    return (await this.options.records().remove([suppressionKey(normal, tenant)])) > 0
  }

  /** One for each address, in order: what keeps the message from it. One look-up for all. An embedded store answers at once. */
  find(
    addresses: readonly string[],
    { tenant, isBounce }: Sending,
  ): (Suppression | undefined)[] | Promise<(Suppression | undefined)[]> {
    if (this.clock() < this.emptyUntil) return addresses.map(() => undefined)
    const keys: string[] = []
    // In pairs, or threes: where each address has its keys.
    const places = addresses.map((address) => {
      const normal = normalAddress(address)
      if (normal === undefined) return []
      keys.push(suppressionKey(normal, undefined))
      if (tenant === undefined) return [keys.length - 1]
      return [keys.length - 1, keys.push(suppressionKey(normal, tenant)) - 1]
    })
    if (keys.length === 0) return addresses.map(() => undefined)
    const weigh = ({ records }: RecordsRead) =>
      places.map((own) => {
        const entries = own.flatMap((place) => (records[place] ? (entryOf(records[place]) ?? []) : []))
        return entries.find((entry) => holdsFor(entry, isBounce))
      })
    const read = this.options.records().get(keys)
    if (!(read instanceof Promise)) return weigh(read)
    return read.then((answered) => {
      if (!answered.degraded && answered.records.every((record) => record === undefined)) void this.lookWhetherEmpty()
      return weigh(answered)
    })
  }

  /** About `most` entries from `cursor` on, perhaps fewer though there are more. */
  async page(
    cursor: string | undefined,
    most: number,
    of: { readonly tenant?: string | undefined; readonly global?: boolean } = {},
  ): Promise<SuppressionPage> {
    const page = await this.options.records().scan(prefixOf(of), cursor, most)
    return { entries: page.records.flatMap((record) => entryOf(record) ?? []), cursor: page.cursor }
  }

  private async put(
    entries: readonly NewSuppression[],
    choose: (records: readonly StoredRecord[]) => readonly StoredRecord[] | Promise<readonly StoredRecord[]>,
  ): Promise<Added> {
    const now = this.clock()
    const problems: { index: number; problem: string }[] = []
    // Of two that mean the same the last one holds.
    const records = new Map<string, ReturnType<typeof recordOf>>()
    entries.forEach((said, index) => {
      const read = readSuppression(said, this.options.keptFor(), now)
      if ('problem' in read) problems.push({ index, problem: read.problem })
      else {
        const record = recordOf(read.entry)
        records.delete(record.key)
        records.set(record.key, record)
      }
    })
    this.emptyUntil = 0
    const chosen = records.size === 0 ? [] : await choose([...records.values()])
    if (chosen.length > 0) await this.options.records().put(chosen)
    return { added: chosen.length, problems }
  }

  /** A list that is not used costs one question a second, however much mail there is. */
  private async lookWhetherEmpty(): Promise<void> {
    if (this.isCounting) return
    this.isCounting = true
    const askedAt = this.clock()
    try {
      if ((await this.options.records().count()) === 0) this.emptyUntil = askedAt + EMPTY_HOLDS_MS
    } catch {
      // Looked up as ever; whoever looks up hears what is wrong.
      this.emptyUntil = 0
    } finally {
      this.isCounting = false
    }
  }
}

function prefixOf({
  tenant,
  global = false,
}: {
  readonly tenant?: string | undefined
  readonly global?: boolean
}): string {
  if (tenant !== undefined) return keyText(SUPPRESSION_PREFIX, ['t', tenant, ''])
  return global ? keyText(SUPPRESSION_PREFIX, ['g', '']) : `${SUPPRESSION_PREFIX}|`
}
