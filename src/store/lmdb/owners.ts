import { randomUUID } from 'node:crypto'
import type { Environment } from './environment'
import { type ProcessIdentity, mayLive, monotonicMs, whoAmI } from './process-identity'

/** `exclusive`: works in memory and nobody else may judge. `shared`: every batch is a transaction. */
export type OwnerMode = 'exclusive' | 'shared'

export interface Owner extends ProcessIdentity {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** On the host's monotonic clock, so that a correction of the time of day declares nobody dead. */
  readonly heartbeatAt: number
  readonly mode: OwnerMode
}

/** An owner that has not been heard of for so long is taken for dead. */
export const STALE_AFTER_MS = 10_000
export const HEARTBEAT_EVERY_MS = 2000

/**
 * This handle's place among those that have the store open. Changes happen within write transactions; reading them
 * outside of one needs {@link Environment.refresh} first.
 */
export class Membership {
  private id = ''
  private startedAt = 0
  private beatAt = -Infinity

  constructor(private readonly environment: Environment) {}

  get name(): string {
    return this.id
  }

  /** False once others took this handle for dead and removed it: what it has in memory is no longer the truth. */
  get holds(): boolean {
    return this.id !== '' && this.environment.owners.getBinaryFast(this.id) !== undefined
  }

  get beatDue(): boolean {
    return monotonicMs() - this.beatAt >= HEARTBEAT_EVERY_MS
  }

  register(mode: OwnerMode): void {
    this.leave()
    this.id = randomUUID()
    this.startedAt = Date.now()
    this.beat(mode)
  }

  beat(mode: OwnerMode): void {
    this.beatAt = monotonicMs()
    const owner: Owner = { ...whoAmI(), id: this.id, startedAt: this.startedAt, heartbeatAt: this.beatAt, mode }
    this.environment.owners.putSync(this.id, owner)
  }

  leave(): void {
    if (this.id !== '') this.environment.owners.removeSync(this.id)
    this.id = ''
  }

  /** The other owners that are alive, as far as one can tell. */
  others(): Owner[] {
    return this.all().filter((owner) => owner.id !== this.id && isAlive(owner))
  }

  removeDead(): void {
    const dead = this.all().filter((owner) => owner.id !== this.id && !isAlive(owner))
    for (const owner of dead) this.environment.owners.removeSync(owner.id)
    if (dead.length > 0) this.environment.forgetDeadReaders()
  }

  private all(): Owner[] {
    return [...this.environment.owners.getRange()].map(({ key, value }) => ({ ...(value as Owner), id: key }))
  }
}

function isAlive(owner: Owner): boolean {
  const silentMs = monotonicMs() - owner.heartbeatAt
  return silentMs >= 0 && silentMs < STALE_AFTER_MS && mayLive(owner)
}
