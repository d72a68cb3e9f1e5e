import type { AttemptPhase } from '../policy/attempt-phase'
import { type SmtpReply, tellReply } from './smtp-reply'

/** Why there was no answer. */
export type FailureKind =
  /** The name of the host has no address, or DNS does not answer. */
  | 'dns'
  /** Nobody listens. */
  | 'refused'
  /** No way to the host, or none from the address that we send from. */
  | 'unreachable'
  | 'timeout'
  | 'reset'
  /** The server has closed without a word. */
  | 'closed'
  /** There is no TLS where there must be, or the handshake failed. */
  | 'tls'
  /** The server speaks no SMTP, or out of turn. */
  | 'protocol'
  /** We did not connect: our own limit of connections. */
  | 'held'

export type Ending =
  | { readonly kind: 'reply'; readonly phase: AttemptPhase; readonly reply: SmtpReply }
  | {
      readonly kind: 'failure'
      readonly phase: AttemptPhase
      readonly failure: FailureKind
      readonly text: string
    }
  /** The session, of an earlier message, had ended meanwhile. No failure: a new one took its place at once. */
  | { readonly kind: 'replaced'; readonly text: string }

export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly version: string
  readonly cipher: string
  /** Whether the certificate is good, and the host's. */
  readonly verified: boolean
}

export interface HostIdentity {
  /** Name, or address where there is none, or path of a unix socket. */
  readonly host: string
  readonly ip: string | undefined
  readonly port: number | undefined
}

/** One host that was tried. */
export interface HostFacts extends HostIdentity {
  readonly session: 'new' | 'reused'
  readonly tls: TlsFacts | undefined
  /** How long each phase took in this attempt, in ms; those of the recipients are added up. */
  readonly phasesMs: Readonly<Partial<Record<AttemptPhase, number>>>
  /** Undefined while it goes on. */
  readonly end: Ending | undefined
}

/** What is known of an answer beyond its code. */
export interface AnswerMeaning {
  /** Though it is a 5xx, it will be over. */
  readonly isPassing: boolean
  /** It is about us: how much we send, what we are known for. Another session, or another host, would be told the same. */
  readonly isAboutUs: boolean
}

export type ReadAnswer = (phase: AttemptPhase, reply: SmtpReply) => AnswerMeaning

/** Where nobody knows more. */
export const BY_CODE_ALONE: ReadAnswer = () => ({ isPassing: false, isAboutUs: false })

/** What a recipient was answered: at RCPT or after the dot. Undefined while nothing was. */
export interface RecipientFacts {
  readonly address: string
  readonly reply: SmtpReply | undefined
  /** What it was answered to. */
  readonly phase: 'rcpt' | 'dot'
  readonly fate: Fate
}

/** What becomes of a recipient when the attempt ends as it stands now. */
export type Fate = 'delivered' | 'deferred' | 'bounced'

/** Why not all was delivered. */
export type Cause = Exclude<Ending, { kind: 'replaced' }> & { readonly host: HostIdentity }

/** Hosts that are told of; of more, the first are forgotten. */
const MOST_HOSTS = 20

/**
 * Collects what happened in one attempt to deliver one message, host after host. Only the last host that took a
 * transaction has a say in what becomes of the recipients. Bounded by the recipients of the message and 20 hosts.
 */
export class Attempt {
  hostsForgotten = 0
  private readonly tried: Mutable<HostFacts>[] = []
  /** By the place of the recipient in the message. */
  private replies: (SmtpReply | undefined)[] = []
  private accepted: number[] = []
  /** Final replies so far, where each recipient gets its own. */
  private finals = 0

  /** `addresses` as in the message, in its order: the n-th RCPT is for the n-th. `means`: what is known of answers. */
  constructor(
    private readonly addresses: readonly string[],
    readonly means: ReadAnswer = BY_CODE_ALONE,
  ) {}

  get hosts(): readonly HostFacts[] {
    return this.tried
  }

  /** A host is tried. */
  tries(host: HostIdentity): void {
    this.forgetRecipients()
    this.tried.push({ ...host, session: 'new', tls: undefined, phasesMs: {}, end: undefined })
    if (this.tried.length <= MOST_HOSTS) return
    this.tried.shift()
    this.hostsForgotten++
  }

  /** On a session of an earlier message. */
  reuses(): void {
    if (this.host) this.host.session = 'reused'
  }

  secured(tls: TlsFacts): void {
    if (this.host) this.host.tls = tls
  }

  took(phase: AttemptPhase, ms: number): void {
    const host = this.host
    if (host) host.phasesMs = { ...host.phasesMs, [phase]: Math.round((host.phasesMs[phase] ?? 0) + ms) }
  }

  /**
   * The server answered. `lmtp`: after the dot each accepted recipient gets a reply of its own (RFC 2033 §4.2). Returns the
   * reply as it counts.
   */
  replied(phase: AttemptPhase, said: SmtpReply, lmtp = false): SmtpReply {
    const reply: SmtpReply = said.code >= 500 && this.means(phase, said).isPassing ? { ...said, isPassing: true } : said
    if (phase === 'mail') this.forgetRecipients()
    if (phase === 'rcpt') {
      if (isPositive(reply)) this.accepted.push(this.replies.length)
      this.replies.push(reply)
    }
    if (phase === 'dot') this.repliedToDot(reply, lmtp)
    if (this.host)
      this.host.end = phase === 'dot' || isRefusal(phase, reply) ? { kind: 'reply', phase, reply } : undefined
    return reply
  }

  /** There was no answer. What recipients were answered before counts no more: another host is asked, or none. */
  failed(phase: AttemptPhase, failure: FailureKind, text: string): void {
    this.forgetRecipients()
    const before = this.host?.end
    // A server that says 421 closes next (RFC 5321 §3.8): what it said is the cause.
    const isFollowUp = before?.kind === 'reply' && before.reply.code === 421 && ['closed', 'reset'].includes(failure)
    if (this.host && !isFollowUp) this.host.end = { kind: 'failure', phase, failure, text }
  }

  /** The session was of no use any more, and the host is tried again. */
  replaced(text: string): void {
    this.forgetRecipients()
    if (this.host) this.host.end = { kind: 'replaced', text }
  }

  get recipients(): readonly RecipientFacts[] {
    const common = this.fateOfAll()
    const accepted = new Set(this.accepted)
    return this.addresses.map((address, place) => {
      const reply = this.replies[place]
      const phase = accepted.has(place) ? 'dot' : 'rcpt'
      return { address, reply, phase, fate: common ?? fateBy(reply) }
    })
  }

  /** How many recipients it ends how for, as it stands. */
  get outcome(): Readonly<Record<Fate, number>> {
    const counts = { delivered: 0, deferred: 0, bounced: 0 }
    for (const { fate } of this.recipients) counts[fate]++
    return counts
  }

  /** Whether some host has had a word with us: it may count what was offered, whatever became of it. */
  get wasSeen(): boolean {
    if (this.hostsForgotten > 0) return true
    return this.tried.some(
      ({ end }) => end?.kind !== 'replaced' && !(end?.kind === 'failure' && end.phase === 'connect'),
    )
  }

  /** The one thing that tells why: what the last host said or did, or the last recipient that was refused was told. */
  get lastCause(): Cause | undefined {
    const host = this.tried.findLast(({ end }) => end !== undefined && end.kind !== 'replaced')
    if (!host?.end || host.end.kind === 'replaced') return undefined
    const { host: name, ip, port, end } = host
    if (end.kind === 'failure' || isRefusal(end.phase, end.reply)) return { ...end, host: { host: name, ip, port } }
    const place = this.replies.findLastIndex((reply) => reply !== undefined && !isPositive(reply))
    const reply = this.replies[place]
    if (!reply) return undefined
    return {
      kind: 'reply',
      phase: this.accepted.includes(place) ? 'dot' : 'rcpt',
      reply,
      host: { host: name, ip, port },
    }
  }

  private get host(): Mutable<HostFacts> | undefined {
    return this.tried.at(-1)
  }

  private forgetRecipients(): void {
    this.replies = []
    this.accepted = []
    this.finals = 0
  }

  private repliedToDot(reply: SmtpReply, lmtp: boolean): void {
    const places = lmtp ? this.accepted.slice(this.finals, ++this.finals) : this.accepted
    for (const place of places) this.replies[place] = reply
  }

  /** The same for every recipient, unless the transaction came to its end and each has an answer of its own. */
  private fateOfAll(): Fate | undefined {
    const end = this.host?.end
    if (end?.kind !== 'reply') return 'deferred'
    const isOfEach = end.phase === 'rcpt' || (end.phase === 'dot' && (this.finals > 0 || isPositive(end.reply)))
    return isOfEach ? undefined : fateBy(end.reply)
  }
}

/** A line for operators: `mx.far.test [192.0.2.1]: 421 4.7.28 Slow down (at mail)`. */
export function tellCause(cause: Cause): string {
  const { host, ip } = cause.host
  const where = ip === undefined || ip === host ? host : `${host} [${ip}]`
  return `${where}: ${cause.kind === 'reply' ? tellReply(cause.reply) : cause.text} (at ${cause.phase})`
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function fateBy(reply: SmtpReply | undefined): Fate {
  if (!reply) return 'deferred'
  if (isPositive(reply)) return 'delivered'
  return reply.code >= 500 && !reply.isPassing ? 'bounced' : 'deferred'
}

function isPositive({ code }: SmtpReply): boolean {
  return code >= 200 && code < 300
}

/** 3xx asks for more, which is right for DATA and AUTH alone. */
function isRefusal(phase: AttemptPhase, reply: SmtpReply): boolean {
  if (isPositive(reply)) return false
  return !(reply.code >= 300 && reply.code < 400 && (phase === 'data' || phase === 'auth'))
}
