import type { IpAddress } from '../keys/address'
import { type ListPart, type ListZone, addressQuestion, domainQuestion, matchesCode } from './list-spec'
import type { DnsResolver } from './resolver'
import { type Said, WatchedZone } from './watched-zone'
import type { HealthChange, ZoneState } from './zone-health'

/** What to ask the lists about; what is left out is not asked. */
export interface ListSubject {
  readonly client?: IpAddress | undefined
  readonly helo?: string | undefined
  /** Domain of the envelope sender. */
  readonly sender?: string | undefined
}

/** One pattern of one list that one part of the subject matches. */
export interface ListHit {
  /** The list, as it may be shown. */
  readonly label: string
  readonly part: ListPart
  readonly pattern: string
  /** The codes that matched. */
  readonly codes: readonly string[]
  readonly weight: number
  readonly ban: boolean
}

export interface ListAsked {
  readonly label: string
  readonly part: ListPart
}

/** What the lists said in time. */
export interface ListAnswer {
  readonly hits: readonly ListHit[]
  /** Lists that said nothing that may be believed, and why. */
  readonly silent: readonly (ListAsked & { readonly why: string })[]
  /** Lists that list nothing of it. */
  readonly clear: readonly ListAsked[]
}

export interface ZoneReport {
  readonly label: string
  readonly state: ZoneState
  readonly why: string
}

export interface BlockListsOptions {
  /** Labels must differ. */
  readonly zones: readonly ListZone[]
  readonly resolver: DnsResolver
  /** Told of each change of a zone once. */
  readonly onHealth?: (change: HealthChange) => void
  /** Bound of one lookup, from its start. */
  readonly deadlineMs?: number
  readonly probeEveryMs?: number
  readonly clock?: () => number
}

/** DNS lists with scores, as postscreen(8) has them, that are believed only while they work. */
export class BlockLists {
  private readonly watched: readonly WatchedZone[]
  private readonly deadlineMs: number

  constructor({ zones, resolver, onHealth = () => undefined, ...rest }: BlockListsOptions) {
    const { deadlineMs = 2000, probeEveryMs = 600_000, clock = Date.now } = rest
    this.deadlineMs = deadlineMs
    this.watched = zones.map((zone) => new WatchedZone(zone, { resolver, onHealth, probeEveryMs, clock }))
  }

  /** Probes every zone, and again and again until {@link stop}. Lookups before the first probe has ended wait for it. */
  start(): void {
    void this.probeAll()
  }

  stop(): void {
    for (const one of this.watched) one.stop()
  }

  /** Probes every zone now; resolves when all have ended. */
  async probeAll(): Promise<void> {
    await Promise.all(this.watched.map((one) => one.probe()))
  }

  reports(): ZoneReport[] {
    return this.watched.map(({ zone: { label }, state, why }) => ({ label, state, why }))
  }

  /** Never rejects, and never takes longer than the deadline: a list that is late is silent. */
  async lookup(subject: ListSubject): Promise<ListAnswer> {
    const questions = this.watched.flatMap((one) => questionsFor(one, subject))
    if (questions.length === 0) return NOTHING
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<Said>((resolve) => {
      timer = setTimeout(resolve, this.deadlineMs, LATE)
    })
    const said = await Promise.all(
      questions.map(({ one, name, isIpv6 }) => Promise.race([one.ask(name, isIpv6), late])),
    )
    clearTimeout(timer)
    return gather(questions, said)
  }
}

/** The weights of all hits; a pattern of a list counts once, whatever it was found for. */
export function sumOf(hits: readonly ListHit[]): number {
  const weights = new Map<string, number>()
  for (const { label, pattern, weight } of hits) weights.set(`${label} ${pattern}`, weight)
  let sum = 0
  for (const weight of weights.values()) sum += weight
  return sum
}

/** What several lookups for the same session said. */
export function joinAnswers(answers: readonly ListAnswer[]): ListAnswer {
  if (answers.length === 1) return answers[0]!
  return {
    hits: answers.flatMap(({ hits }) => hits),
    silent: answers.flatMap(({ silent }) => silent),
    clear: answers.flatMap(({ clear }) => clear),
  }
}

interface Question {
  readonly one: WatchedZone
  readonly part: ListPart
  readonly name: string
  readonly isIpv6: boolean
}

const LATE: Said = { kind: 'silent', why: 'late' }
const NOTHING: ListAnswer = { hits: [], silent: [], clear: [] }

function questionsFor(one: WatchedZone, subject: ListSubject): Question[] {
  const questions: Question[] = []
  for (const part of one.zone.on) {
    const value = subject[part]
    if (value === undefined) continue
    const isText = typeof value === 'string'
    const name = isText ? domainQuestion(one.zone, value) : addressQuestion(one.zone, value)
    if (name !== undefined) questions.push({ one, part, name, isIpv6: !isText && value.family === 6 })
  }
  return questions
}

function gather(questions: readonly Question[], said: readonly Said[]): ListAnswer {
  const hits: ListHit[] = []
  const silent: (ListAsked & { why: string })[] = []
  const clear: ListAsked[] = []
  questions.forEach(({ one: { zone }, part }, index) => {
    const answer = said[index]!
    const { label, ban } = zone
    if (answer.kind === 'silent') silent.push({ label, part, why: answer.why })
    else if (answer.kind === 'clear') clear.push({ label, part })
    else if (answer.kind === 'listed')
      hits.push(...hitsOf(zone, answer.codes).map((hit) => ({ ...hit, label, part, ban })))
  })
  return { hits, silent, clear }
}

function hitsOf({ codes: weights }: ListZone, codes: readonly string[]) {
  return weights.flatMap(({ pattern, weight }) => {
    const matching = codes.filter((code) => matchesCode(pattern, code))
    return matching.length > 0 ? [{ pattern: pattern.text, codes: matching, weight }] : []
  })
}
