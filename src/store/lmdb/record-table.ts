import type { Table } from '../engine/judge'
import type { State } from '../engine/state'
import { isRemembered } from '../room'
import { decodeRecord, encodeRecord } from './record'
import type { StateTables, Sweeper } from './sweeper'

/** The written states as the engine's table. Put and remove work within a write transaction only. */
export class RecordTable implements Table {
  constructor(
    private readonly tables: StateTables,
    private readonly sweeper: Sweeper,
  ) {}

  get(key: string): State | undefined {
    const { counters, remembered } = this.tables
    const bytes = counters.getBinaryFast(key) ?? remembered.getBinaryFast(key)
    return bytes && decodeRecord(bytes)
  }

  put(key: string, state: State): void {
    const { counters, remembered } = this.tables
    if (isRemembered(state)) {
      // A counter of that name would be found first.
      counters.removeSync(key)
      remembered.putSync(key, encodeRecord(state))
    } else counters.putSync(key, encodeRecord(state))
    this.sweeper.owe(1)
  }

  remove(key: string): boolean {
    const known = this.tables.counters.removeSync(key)
    return this.tables.remembered.removeSync(key) || known
  }

  apply(changes: readonly (readonly [string, State | undefined])[]): void {
    for (const [key, state] of changes) {
      if (state) this.put(key, state)
      else this.remove(key)
    }
  }
}
