import { type ListZone, matchesCode, refusalIn } from './list-spec'
import { probeZone, sayRefusal } from './probe'
import { isTheirs } from './question'
import type { DnsAnswer, DnsResolver } from './resolver'
import { type HealthChange, type Illness, ZoneHealth, type ZoneState } from './zone-health'

export interface WatchOptions {
  readonly resolver: DnsResolver
  readonly onHealth: (change: HealthChange) => void
  readonly probeEveryMs: number
  readonly clock: () => number
}

/** What a zone says of one name. */
export type Said =
  | { readonly kind: 'listed'; readonly codes: readonly string[] }
  | { readonly kind: 'clear' }
  /** Nothing that may be believed. */
  | { readonly kind: 'silent'; readonly why: string }
  /** It is not a question for this list. */
  | { readonly kind: 'foreign' }

/** A listing is believed only when the zone has shown within this time that it does not list everything. */
const PROOF_MS = 120_000
const JITTER = 0.2

/**
 * One list, asked and believed only while its probes succeed (RFC 5782 §5). When it is ill it is left alone for 30 seconds
 * at first and up to 10 minutes, then probed until it is well.
 */
export class WatchedZone {
  private readonly health: ZoneHealth
  private provenAt = -Infinity
  private ipv6 = false
  private absentTtlMs: number | undefined
  private probing: Promise<void> | undefined
  private timer: NodeJS.Timeout | undefined
  private stopped = false
  /** Answers that are counted: one from memory says nothing new of the zone. */
  private readonly counted = new WeakSet<object>()

  constructor(
    readonly zone: ListZone,
    private readonly options: WatchOptions,
  ) {
    this.health = new ZoneHealth(options.clock)
  }

  get state(): ZoneState {
    return this.health.state
  }

  get why(): string {
    return this.health.why
  }

  /** Never rejects. The first questions wait for the first probe. */
  async ask(name: string, isIpv6: boolean): Promise<Said> {
    if (this.state === 'unknown') await this.probe()
    if (this.state !== 'well') return this.silent()
    if (isIpv6 && !this.ipv6) return FOREIGN
    const answer = await this.options.resolver.resolve(name, 'A', { absentTtlMs: this.absentTtlMs })
    this.count(answer)
    if (answer.kind === 'failed') return { kind: 'silent', why: answer.reason }
    if (answer.kind === 'absent') return CLEAR
    const refusal = refusalIn(answer.records)
    if (refusal !== undefined) {
      this.fallIll('refused', sayRefusal(refusal))
      return this.silent()
    }
    if (!this.zone.codes.some(({ pattern }) => answer.records.some((code) => matchesCode(pattern, code)))) return CLEAR
    if (!this.isProven()) await this.probe()
    if (this.state !== 'well' || !this.isProven()) return this.silent()
    return isIpv6 && !this.ipv6 ? FOREIGN : { kind: 'listed', codes: answer.records }
  }

  /** One probe at a time; the next is put off until after it. Never rejects. */
  probe(): Promise<void> {
    this.probing ??= this.runProbe().finally(() => {
      this.probing = undefined
    })
    return this.probing
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  private silent(): Said {
    return { kind: 'silent', why: this.state === 'well' ? 'could not be proved' : `${this.state}: ${this.why}` }
  }

  private isProven(): boolean {
    const ageMs = this.options.clock() - this.provenAt
    return ageMs >= 0 && ageMs < PROOF_MS
  }

  private count(answer: DnsAnswer<'A'>): void {
    if (this.counted.has(answer)) return
    this.counted.add(answer)
    if (answer.kind === 'failed' && !isTheirs(answer.reason)) return
    const tooMany = this.health.count(answer.kind === 'failed')
    if (tooMany && this.state === 'well') this.fallIll('failing', 'half of the questions of a minute failed')
  }

  private async runProbe(): Promise<void> {
    const result = await probeZone(this.options.resolver, this.zone)
    if (result.kind === 'well') {
      this.provenAt = this.options.clock()
      this.ipv6 = result.ipv6
      this.absentTtlMs = result.absentTtlMs
      this.change('well', 'answers its probes')
    } else if (result.kind === 'ill') {
      this.change(result.illness, result.why)
    }
    this.probeLater()
  }

  private fallIll(illness: Illness, why: string): void {
    this.change(illness, why)
    this.probeLater()
  }

  private change(to: 'well' | Illness, why: string): void {
    const from = this.health.become(to, why)
    if (from === undefined) return
    // What a list said while it lied must not be believed when it is well again.
    if (from !== 'unknown') this.options.resolver.forget(this.zone.zone)
    if (from !== 'unknown' || to !== 'well') this.options.onHealth({ label: this.zone.label, from, to, why })
  }

  private probeLater(): void {
    clearTimeout(this.timer)
    if (this.stopped) return
    const { probeEveryMs } = this.options
    const delayMs = this.state === 'well' ? probeEveryMs : Math.min(probeEveryMs, this.health.takeRestMs())
    // Spread, so that the workers of a host do not all probe at once.
    const spreadMs = delayMs * (1 - JITTER / 2 + JITTER * Math.random())
    this.timer = setTimeout(() => void this.probe(), spreadMs).unref()
  }
}

const CLEAR: Said = { kind: 'clear' }
const FOREIGN: Said = { kind: 'foreign' }
