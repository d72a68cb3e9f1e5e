import {
  type Records,
  type RecordsPage,
  type RecordsRead,
  type StoredRecord,
  checkRecordKeys,
  fullOfRecords,
  settleRecords,
} from '../records'
import { MAX_RECORDS } from '../store'
import { decodeEntry, encodeSteps } from './board-wire'
import type { RedisClient } from './connect'
import { escapeGlob, serverTime } from './inspect'
import { type Script, loadScript } from './script'

export interface SharedRecordsOptions {
  /** Name of the hash. */
  readonly name: string
  /** For messages. */
  readonly where: string
  readonly most?: number | undefined
  /** All three settle within a bounded time, and reject with a StoreError only; `look` soon, since mail waits for it. */
  readonly look: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<unknown>
  readonly change: (script: Script, keys: readonly string[], args: readonly string[]) => Promise<unknown>
  readonly ask: <T>(question: (client: RedisClient) => Promise<T>) => Promise<T>
}

/** Steps in one call: about a millisecond, in which Redis serves nobody else. */
const STEPS_PER_CALL = 200
const KEYS_PER_CALL = 500

/**
 * Records in Redis: one hash, so in one slot, which is told its bound and swept by the script that changes it. Its entries
 * look as those of the board do.
 */
export class SharedRecords implements Records {
  private readonly getScript = loadScript('records-get-1')
  private readonly changeScript = loadScript('records-change-1')
  private readonly most: number

  constructor(private readonly options: SharedRecordsOptions) {
    this.most = options.most ?? MAX_RECORDS
  }

  async put(records: readonly StoredRecord[]): Promise<void> {
    const settled = settleRecords(records)
    for (const lot of lotsOf(settled, STEPS_PER_CALL)) {
      await this.change(encodeSteps(lot.map((entry) => ({ kind: 'posted', entry }))))
    }
  }

  async get(keys: readonly string[]): Promise<RecordsRead> {
    checkRecordKeys(keys)
    const { look, name } = this.options
    const lots = lotsOf(keys, KEYS_PER_CALL)
    const replies = await Promise.all(lots.map((lot) => look(this.getScript, [name], lot)))
    const values = (replies as (string | null)[][]).flat()
    const records = keys.map((key, index) => {
      const value = values[index]
      return value ? decodeEntry(key, value) : undefined
    })
    return { records, degraded: false }
  }

  async remove(keys: readonly string[]): Promise<number> {
    checkRecordKeys(keys)
    let known = 0
    for (const lot of lotsOf(keys, STEPS_PER_CALL)) {
      known += await this.change(encodeSteps(lot.map((key) => ({ kind: 'withdrawn', key }))))
    }
    return known
  }

  async scan(prefix: string, cursor: string | undefined, most: number): Promise<RecordsPage> {
    const { ask, name } = this.options
    const pattern = `${escapeGlob(prefix)}*`
    const now = await ask(serverTime)
    const [following, fields] = await ask((client) =>
      client.hscan(name, cursor ?? '0', 'MATCH', pattern, 'COUNT', most),
    )
    const records: StoredRecord[] = []
    for (let at = 0; at + 1 < fields.length; at += 2) {
      const record = decodeEntry(fields[at]!, fields[at + 1]!)
      if (record && record.expiresAt > now) records.push(record)
    }
    return { records, cursor: following === '0' ? undefined : following }
  }

  async count(): Promise<number> {
    return this.options.ask((client) => client.hlen(this.options.name))
  }

  private async change(steps: readonly string[]): Promise<number> {
    const { change, name, where } = this.options
    const reply = await change(this.changeScript, [name], [String(this.most), ...steps])
    const [known, isFull] = reply as [number, number]
    if (isFull === 1) throw fullOfRecords(`Redis at ${where}`, this.most)
    return known
  }
}

function lotsOf<T>(items: readonly T[], most: number): T[][] {
  const lots: T[][] = []
  for (let at = 0; at < items.length; at += most) lots.push(items.slice(at, at + most))
  return lots
}
