import type { Environment } from './environment'

/** A process that slept longer than this misses a reset; what it remembers of refusals has ended by then or soon will. */
const KEEP_MS = 60_000
const TRIM_AT_ONCE = 100

interface Reset {
  readonly at: number
  readonly keys: readonly string[]
}

/** Tells every process that has the store open which keys were reset. Each reads on from where it last was. */
export class ResetLog {
  private seen = 0

  constructor(private readonly environment: Environment) {
    environment.refresh()
    this.seen = this.last()
  }

  /** Within a write transaction. */
  write(keys: readonly string[], now: number): void {
    const number = this.last() + 1
    const old: number[] = []
    for (const { key, value } of this.environment.resets.getRange({ limit: TRIM_AT_ONCE })) {
      if ((value as Reset).at <= now - KEEP_MS) old.push(key)
    }
    for (const key of old) this.environment.resets.removeSync(key)
    const reset: Reset = { at: now, keys }
    this.environment.resets.putSync(number, reset)
  }

  /** Keys reset since the last call, in order. */
  unseen(): string[] {
    const keys: string[] = []
    for (const { key, value } of this.environment.resets.getRange({ start: this.seen, exclusiveStart: true })) {
      this.seen = key
      keys.push(...(value as Reset).keys)
    }
    return keys
  }

  private last(): number {
    for (const key of this.environment.resets.getKeys({ reverse: true, limit: 1 })) return key
    return 0
  }
}
