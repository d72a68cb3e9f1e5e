import { markSuspect } from './boot-mark'
import type { Notice } from './open-environment'
import { DiskFullError } from './reserve'

/** Whether the file can be written, and the word to the operator when that changes: once, not at every attempt. */
export class Health {
  private broken = false

  constructor(
    private readonly path: string,
    private readonly notice: Notice,
  ) {}

  get ill(): boolean {
    return this.broken
  }

  /** @param dropped Counts that were forgotten because too many waited to be written. */
  fell(error: unknown, dropped: number): void {
    if (dropped > 0) this.notice(`store: ${dropped} counts forgotten, ${this.path} cannot be written for too long`)
    if (this.broken) return
    this.broken = true
    const full = error instanceof DiskFullError
    const remedy = full ? 'Make room on the disk.' : 'If this lasts, restart: the file is then checked.'
    this.notice(
      `store: ${this.path} cannot be written (${describe(error)}); counting in memory until it can. ${remedy}`,
    )
    if (!full) markSuspect(this.path)
  }

  recovered(): void {
    if (!this.broken) return
    this.broken = false
    this.notice(`store: ${this.path} can be written again`)
  }
}

/** Errors of LMDB bear its number; anything else is a mistake of ours and must not be taken for a bad disk. */
export function isOfStorage(error: unknown): boolean {
  if (error instanceof DiskFullError) return true
  return (
    error instanceof Error && (typeof (error as { code?: unknown }).code === 'number' || /MDB_/.test(error.message))
  )
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
