import { randomBytes } from 'node:crypto'
import { type LeaseAsk, LEASE_ID_LENGTH, type Store } from '../store/store'
import { pathKey } from './path-key'

/**
 * A place that nobody gives back, because its process died, is free after this; one that is held is prolonged. So long a path may
 * stand still when a process is killed that held all its places.
 */
export const PLACE_TTL_MS = 20_000

/**
 * The places of a path that this process holds, each a lease in the store for one connection. Some are used by a delivery,
 * or will be by one whose slot has not begun; the others are kept, since a connection of an earlier delivery is still there.
 */
export class Places {
  private readonly held = new Set<string>()
  private readonly kept: string[] = []
  private readonly key: string

  /** `connections`: those of this process to the path, whatever they do. */
  constructor(
    path: string,
    private readonly store: () => Store,
    private readonly connections: () => number,
  ) {
    this.key = pathKey('egress_place', path)
  }

  get count(): number {
    return this.held.size
  }

  /** Places that no delivery uses or has been promised. */
  get keptCount(): number {
    return this.kept.length
  }

  /** What takes a new place. */
  ask(limit: number): LeaseAsk {
    const id = randomBytes(LEASE_ID_LENGTH / 2).toString('hex')
    return { op: 'lease', key: this.key, id, enforced: true, limit, ttlMs: PLACE_TTL_MS }
  }

  /** The store has given a place away. */
  took(id: string): void {
    this.held.add(id)
  }

  /** A place that is kept, for another delivery; undefined when there is none. */
  reuse(): string | undefined {
    return this.kept.pop()
  }

  /** A delivery needs its place no longer. It is kept until {@link releaseSpare} finds that no connection needs it. */
  leave(id: string): void {
    this.kept.push(id)
  }

  /** Gives back what is held for nothing; how many were. */
  async releaseSpare(): Promise<number> {
    const spare: string[] = []
    while (this.kept.length > 0 && this.held.size > this.connections()) {
      const id = this.kept.pop()!
      this.held.delete(id)
      spare.push(id)
    }
    if (spare.length > 0) await this.store().release(spare.map((id) => ({ key: this.key, id })))
    return spare.length
  }

  /** To be called several times within {@link PLACE_TTL_MS}. */
  async renew(): Promise<void> {
    const leases = [...this.held].map((id) => ({ key: this.key, id }))
    if (leases.length > 0) await this.store().renew(leases, PLACE_TTL_MS)
  }
}
