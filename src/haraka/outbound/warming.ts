import { partsOf } from '../../egress/named-path'
import type { ResolvedPath } from '../../egress/rules'
import { sharesPool } from '../../egress/sources'
import { type Permission, type Taken, Warmup } from '../../egress/warmup/warmup'
import { OTHER, type WarmupId } from '../../egress/warmup/policy'
import { saidOfSenders } from '../../feedback/said-of-senders'
import type { Store } from '../../store/store'
import type { Runtime } from '../runtime'
import type { Untried } from './attempt-event'
import type { Budget, Budgeted } from './budget'
import type { Delivery } from './delivery'
import type { QueueItem } from './queue-item'

export interface WarmingOptions {
  readonly runtime: Runtime
  readonly pump: (path: string) => void
  /** Has messages of some paths look for another way. */
  readonly reconsider: (isOf: (path: string) => boolean) => Promise<void>
  readonly onNotice: (message: string) => void
  readonly onFailure: (error: unknown) => void
}

/** A message that was tried already stays with its source when that has room again so soon: greylisting goes by the address. */
const STAYS_MS = 15 * 60_000
/** Each message that waits is looked at. */
const RECONSIDER_APART_MS = 1000

/** What deliveries take of the quotas of sources that warm up. */
export class Warming implements Budget {
  private readonly warmup: Warmup
  /** Sources whose mail is to look for another way. */
  private readonly held = new Set<string>()
  private timer: NodeJS.Timeout | undefined

  constructor(private readonly options: WarmingOptions) {
    const { runtime, pump, onNotice, onFailure } = options
    this.warmup = new Warmup({
      policy: () => runtime.policy.egress.warmup,
      store: () => runtime.serve().store,
      wake: pump,
      onHeld: (id) => this.lookElsewhere(id),
      onNotice,
      onFailure,
    })
    runtime.feedback.read((said) => {
      for (const { id, counts } of saidOfSenders(said)) this.warmup.note(id, counts)
    })
  }

  follow(store: Store): void {
    this.warmup.follow(store)
  }

  /** As {@link Warmup.standings}. */
  standings(): ReturnType<Warmup['standings']> {
    return this.warmup.standings()
  }

  close(): void {
    this.warmup.close()
    clearTimeout(this.timer)
  }

  /** Milliseconds since 1970; undefined when its mail may go. */
  heldUntil(path: ResolvedPath): number | undefined {
    const waitMs = this.warmup.waitOf(idOf(path), path.path)
    return waitMs > 0 ? Date.now() + waitMs : undefined
  }

  /** Whether a message had better go by another source. */
  isResting(path: ResolvedPath, { num_failures: failures }: QueueItem): boolean {
    return this.warmup.isHeld(idOf(path), failures > 0 ? STAYS_MS : 0)
  }

  take({ path, tenant, item }: Delivery): Promise<Budgeted> | undefined {
    const recipients = item.todo!.rcpt_to.length
    const take = (id: WarmupId) => this.warmup.take(id, path.path, recipients)
    const ofTenant = tenant === '' ? undefined : take({ tenant })
    if (!ofTenant) return take(idOf(path))?.then((permission) => budgeted(permission, []))
    return ofTenant.then(async (permission) => {
      // It keeps nobody else of its path waiting.
      if (permission.kind === 'wait') return { kind: 'later', why: newTenant(permission.forMs) }
      if (permission.kind === 'split') return permission
      const ofSource = await take(idOf(path))
      if (!ofSource || ofSource.kind === 'go') return budgeted(ofSource, [permission.taken])
      this.warmup.giveBack(permission.taken)
      return ofSource
    })
  }

  giveBack(taken: readonly Taken[]): void {
    for (const one of taken) this.warmup.giveBack(one)
  }

  /** Those beyond what a source may send go by the others of its pools. */
  private lookElsewhere(id: WarmupId): void {
    if (!('source' in id) || !sharesPool(this.options.runtime.policy.egress, id.source)) return
    this.held.add(id.source)
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      const sources = new Set(this.held)
      this.held.clear()
      const isOf = (path: string) => sources.has(partsOf(path)?.source ?? '')
      this.options.reconsider(isOf).catch((error: unknown) => this.options.onFailure(error))
    }, RECONSIDER_APART_MS)
    this.timer.unref()
  }
}

function budgeted(permission: Permission | undefined, taken: readonly Taken[]): Budgeted {
  if (!permission) return { kind: 'go', taken }
  return permission.kind === 'go' ? { kind: 'go', taken: [...taken, permission.taken] } : permission
}

/** RFC 3463 §3.8. Whoever reads it again takes from it when to try: `hintOf`. */
function newTenant(forMs: number): Untried {
  const minutes = Math.ceil(forMs / 60_000)
  const why = `Its sender is new here and has sent what it may for today. It is tried again in ${minutes} minutes.`
  return { isFinal: false, status: '4.7.1', why }
}

export function idOf({ source, provider }: Pick<ResolvedPath, 'source' | 'provider'>): WarmupId {
  return { source, group: provider ?? OTHER }
}
