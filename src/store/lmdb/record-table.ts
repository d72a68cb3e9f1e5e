import type { Table } from '../engine/judge'
import type { State } from '../engine/state'
import type { Environment } from './environment'
import { decodeRecord, encodeRecord } from './record'
import type { Sweeper } from './sweeper'

/** The written states as the engine's table. Put and remove work within a write transaction only. */
export class RecordTable implements Table {
  constructor(
    private readonly environment: Environment,
    private readonly sweeper: Sweeper,
  ) {}

  get(key: string): State | undefined {
    const bytes = this.environment.states.getBinaryFast(key)
    return bytes && decodeRecord(bytes)
  }

  put(key: string, state: State): void {
    this.environment.states.putSync(key, encodeRecord(state))
    this.sweeper.owe(1)
  }

  remove(key: string): boolean {
    return this.environment.states.removeSync(key)
  }

  apply(changes: readonly (readonly [string, State | undefined])[]): void {
    for (const [key, state] of changes) {
      if (state) this.put(key, state)
      else this.remove(key)
    }
  }
}
