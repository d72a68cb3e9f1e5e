import { type MxRecord, Resolver as NodeResolver, type SoaRecord } from 'node:dns'
import { type AskedType, type FailureReason, isAskable, reasonOf } from './question'

/** What one record of a type is to the caller. A TXT record is its strings, joined. */
export interface RecordOf {
  A: string
  AAAA: string
  MX: MxRecord
  PTR: string
  TXT: string
  SOA: SoaRecord
}

export type DnsAnswer<T extends AskedType> =
  | { readonly kind: 'found'; readonly records: readonly RecordOf[T][]; readonly ttlMs: number }
  /** There is no such name, or it has no such record (RFC 2308: NXDOMAIN, NODATA). */
  | { readonly kind: 'absent'; readonly ttlMs: number }
  /** Nothing is known: says something about DNS, never about the name. */
  | { readonly kind: 'failed'; readonly reason: FailureReason }

export interface ResolverOptions {
  /** `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`; none: the system's. */
  readonly servers?: readonly string[]
  /** A question is answered within this, if need be with `failed: timeout`. */
  readonly deadlineMs?: number
  /** Answers kept; the oldest go first. */
  readonly mostAnswers?: number
  /** Questions under way at a time; one more is `failed: busy`. */
  readonly mostQuestions?: number
  readonly clock?: () => number
}

export interface QuestionOptions {
  /** Asks again whatever is known; the answer is remembered. */
  readonly fresh?: boolean
  /** How long a name of this zone stays absent, where that is known (RFC 2308 §5). */
  readonly absentTtlMs?: number | undefined
}

const MINUTE_MS = 60_000
/** Answers are kept no shorter than this, nor longer than {@link LONGEST_TTL_MS}, whatever their TTL says. */
export const SHORTEST_TTL_MS = MINUTE_MS
export const LONGEST_TTL_MS = 60 * MINUTE_MS
/** For what comes without a TTL: absent names, and types for which Node tells none. */
const USUAL_TTL_MS = 5 * MINUTE_MS
/** Long enough to stop a storm of the same question, too short to outlast the trouble. */
const FAILURE_TTL_MS = 3000
const TRIES = 2

interface Known {
  readonly answer: DnsAnswer<AskedType>
  readonly until: number
}

/**
 * Asks DNS, never rejects, and never takes longer than its deadline. One question at a time for a name and type, answers
 * kept for their TTL within a minute and an hour. Each question has a resolver of its own, hence a port of its own, and
 * ends with its deadline (docs/decisions/0008).
 */
export class DnsResolver {
  private readonly servers: readonly string[]
  private readonly deadlineMs: number
  private readonly mostAnswers: number
  private readonly mostQuestions: number
  private readonly clock: () => number
  private readonly known = new Map<string, Known>()
  private readonly underway = new Map<string, { readonly asked: NodeResolver; readonly answer: Promise<Known> }>()
  private closed = false
  /** Questions since the start by what came of them: `found`, `absent`, `remembered`, or why they failed. */
  readonly counts = new Map<string, number>()

  /** Throws a TypeError for a server that is no address. */
  constructor(options: ResolverOptions = {}) {
    const { servers = [], deadlineMs = 2000, mostAnswers = 20_000, mostQuestions = 1000, clock = Date.now } = options
    this.servers = servers
    this.deadlineMs = deadlineMs
    this.mostAnswers = mostAnswers
    this.mostQuestions = mostQuestions
    this.clock = clock
    this.open()
  }

  async resolve<T extends AskedType>(name: string, type: T, options: QuestionOptions = {}): Promise<DnsAnswer<T>> {
    const asked = name.toLowerCase()
    if (!isAskable(asked)) return this.told({ kind: 'failed', reason: 'bad_name' })
    const key = `${type} ${asked}`
    const known = options.fresh === true ? undefined : this.find(key)
    if (known) {
      this.count('remembered')
      return known as DnsAnswer<T>
    }
    return this.told((await this.ask(key, asked, type, options)).answer as DnsAnswer<T>)
  }

  private told<T extends AskedType>(answer: DnsAnswer<T>): DnsAnswer<T> {
    this.count(answer.kind === 'failed' ? answer.reason : answer.kind)
    return answer
  }

  private count(result: string): void {
    this.counts.set(result, (this.counts.get(result) ?? 0) + 1)
  }

  /** Forgets all that is known below a zone: it turned out not to be true. */
  forget(zone: string): void {
    const ending = `.${zone.toLowerCase()}`
    for (const key of this.known.keys()) if (key.endsWith(ending)) this.known.delete(key)
  }

  /** Ends every question under way; whoever waits gets `failed: closed`. Idempotent. */
  close(): void {
    this.closed = true
    for (const { asked } of this.underway.values()) asked.cancel()
  }

  get questionsUnderway(): number {
    return this.underway.size
  }

  get answersKept(): number {
    return this.known.size
  }

  private find(key: string): DnsAnswer<AskedType> | undefined {
    const known = this.known.get(key)
    if (!known) return undefined
    const left = known.until - this.clock()
    // A clock put back must not keep an answer for longer than it ever would be.
    if (left > 0 && left <= LONGEST_TTL_MS) return known.answer
    this.known.delete(key)
    return undefined
  }

  private ask(key: string, name: string, type: AskedType, options: QuestionOptions): Promise<Known> {
    const joined = this.underway.get(key)
    if (joined) return joined.answer
    if (this.closed) return Promise.resolve(this.failure('closed'))
    if (this.underway.size >= this.mostQuestions) return Promise.resolve(this.failure('busy'))
    const asked = this.open()
    const answer = this.send(asked, name, type, options.absentTtlMs).then((known) => {
      this.underway.delete(key)
      this.keep(key, known)
      return known
    })
    this.underway.set(key, { asked, answer })
    return answer
  }

  private send(asked: NodeResolver, name: string, type: AskedType, absentTtlMs = USUAL_TTL_MS): Promise<Known> {
    return new Promise((resolve) => {
      let late = false
      const timer = setTimeout(() => {
        late = true
        asked.cancel()
      }, this.deadlineMs)
      query(asked, name, type, (error, records, ttlMs = USUAL_TTL_MS) => {
        clearTimeout(timer)
        if (!error) resolve(this.lasting({ kind: 'found', records, ttlMs: clampTtl(ttlMs) }))
        else if (error.code === 'ENOTFOUND' || error.code === 'ENODATA') {
          resolve(this.lasting({ kind: 'absent', ttlMs: clampTtl(absentTtlMs) }))
        } else resolve(this.failure(late ? 'timeout' : this.closed ? 'closed' : reasonOf(error.code)))
      })
    })
  }

  private lasting(answer: Exclude<DnsAnswer<AskedType>, { kind: 'failed' }>): Known {
    return { answer, until: this.clock() + answer.ttlMs }
  }

  private failure(reason: FailureReason): Known {
    return { answer: { kind: 'failed', reason }, until: this.clock() + FAILURE_TTL_MS }
  }

  private keep(key: string, known: Known): void {
    this.known.delete(key)
    if (this.known.size >= this.mostAnswers) this.known.delete(this.known.keys().next().value!)
    this.known.set(key, known)
  }

  private open(): NodeResolver {
    // The second try waits twice as long as the first: together they fill the deadline.
    const resolver = new NodeResolver({ timeout: Math.max(1, Math.floor(this.deadlineMs / 3)), tries: TRIES })
    if (this.servers.length > 0) resolver.setServers(this.servers)
    return resolver
  }
}

function clampTtl(ttlMs: number): number {
  return Math.min(LONGEST_TTL_MS, Math.max(SHORTEST_TTL_MS, ttlMs))
}

type Done = (error: NodeJS.ErrnoException | null, records: DnsRecords, ttlMs?: number) => void
type DnsRecords = readonly RecordOf[AskedType][]

function query(resolver: NodeResolver, name: string, type: AskedType, done: Done): void {
  const addresses = (error: NodeJS.ErrnoException | null, records?: readonly { address: string; ttl: number }[]) => {
    if (error || !records) return done(error, [])
    done(
      null,
      records.map(({ address }) => address),
      1000 * Math.min(...records.map(({ ttl }) => ttl)),
    )
  }
  switch (type) {
    case 'A':
      return resolver.resolve4(name, { ttl: true }, addresses)
    case 'AAAA':
      return resolver.resolve6(name, { ttl: true }, addresses)
    case 'MX':
      return resolver.resolveMx(name, (error, records) => done(error, error ? [] : records))
    case 'PTR':
      return resolver.resolvePtr(name, (error, names) => done(error, names))
    case 'TXT':
      return resolver.resolveTxt(name, (error, texts) => done(error, error ? [] : texts.map((parts) => parts.join(''))))
    case 'SOA':
      return resolver.resolveSoa(name, (error, soa) => done(error, error ? [] : [soa]))
  }
}
