import type { Ask, Store } from '../../store/store'
import { keyText } from '../../keys/key'
import type { Classifier } from '../classifier'
import type { Feedback, FeedbackAnswer, FeedbackKind } from '../feedback'
import { readResponse } from '../read-response'
import type { Sealer } from '../trace/seal'
import { foldAddress } from '../trace/recipient-set'
import { type Trace, readTrace } from '../trace/trace'
import {
  type Bounce,
  type BouncedRecipient,
  type Complaint,
  MOST_RECIPIENTS,
  type Report,
  type UnheededWhy,
} from './report'

/** Why a report, or a recipient of it, changes nothing. */
export type Ignored =
  UnheededWhy | 'no_trace' | 'forged' | 'expired' | 'no_recipient' | 'recipient' | 'delivered' | 'repeated'

export interface Taken {
  /** Whose message it is about; undefined when that is not proved. */
  readonly trace: Trace | undefined
  readonly said: readonly Feedback[]
  /** Recipients that it said something of, to no effect, by why; a report as a whole counts as one. */
  readonly ignored: ReadonlyMap<Ignored, number>
}

export interface IntakeOptions {
  readonly sealer: Sealer
  readonly classifier: () => Classifier
  /** Who takes the mail of a domain, as `providers.yaml` calls it. Must not reject. */
  readonly providerOf: (domain: string) => Promise<string | undefined>
  readonly store: () => Pick<Store, 'judge'>
  /** What is said of a message later than this is not heeded. Links to unsubscribe have no end. */
  readonly expiresMs: () => number
  readonly clock: () => number
  /** The store did not answer: what is said is heeded all the same, and may be heeded twice. */
  readonly onFailure: (error: unknown) => void
}

/** The same is heeded once in this time: a window of the store can be no longer. */
export const ONCE_MS = 31 * 86_400_000
/** Batches that the store judges at a time. */
const MOST_AT_ONCE = 25
/** Domains of one report that are looked up; what is said of others has no provider. */
const MOST_DOMAINS = 10

/** What one recipient is reported to have come to, before it is known whether that has been said already. */
type Claim = Pick<Feedback, 'kind' | 'recipient' | 'provider' | 'answer'>
type ProviderOf = (recipient: string) => string | undefined
type Ignore = (why: Ignored) => void

/**
 * Decides what of a report is heeded. It must bear a trace that we have sealed; it is about the recipients of that message
 * alone; each is heeded once for each kind, and no more than the message had.
 */
export class Intake {
  constructor(private readonly options: IntakeOptions) {}

  async take(report: Report): Promise<Taken> {
    if (report.kind === 'unheeded') return nothing(undefined, report.why)
    const found =
      report.kind === 'unsubscribe' && report.trace === undefined ? this.traceOfLink(report.tokens) : undefined
    const read = found ?? this.traceOf(report.trace)
    if ('why' in read) return nothing(undefined, read.why)
    const { trace } = read
    const ignored = new Map<Ignored, number>()
    const claims = await this.claimsOf(report, trace, (why) => ignored.set(why, (ignored.get(why) ?? 0) + 1))
    return { trace, said: await this.once(trace, 'report', claims, ignored), ignored }
  }

  /** Somebody has followed the link of a message. Undefined when the token is none of ours. */
  async unsubscribe(token: string): Promise<Taken | undefined> {
    const trace = readTrace(this.options.sealer, 'unsubscribe', token)
    if (trace?.only === undefined) return undefined
    const ignored = new Map<Ignored, number>()
    const claims = await this.unsubscriptions(trace.only)
    const said = await this.once(trace, 'link', claims, ignored)
    return { trace, said, ignored }
  }

  private traceOf(token: string | undefined): { readonly trace: Trace } | { readonly why: Ignored } {
    if (token === undefined) return { why: 'no_trace' }
    const trace = readTrace(this.options.sealer, 'trace', token)
    if (!trace) return { why: 'forged' }
    return this.options.clock() - trace.at > this.options.expiresMs() ? { why: 'expired' } : { trace }
  }

  private traceOfLink(tokens: readonly string[]): { readonly trace: Trace } | undefined {
    for (const token of tokens) {
      const trace = readTrace(this.options.sealer, 'unsubscribe', token)
      if (trace) return { trace }
    }
    return undefined
  }

  private async claimsOf(
    report: Exclude<Report, { kind: 'unheeded' }>,
    trace: Trace,
    ignore: Ignore,
  ): Promise<readonly Claim[]> {
    switch (report.kind) {
      case 'bounce': {
        const about = recipientsOf(report, trace, ignore)
        const providerOf = await this.providersOf(about.map(([recipient]) => recipient))
        return this.bounces(about, providerOf)
      }
      case 'complaint': {
        const recipients = complainants(report, trace, ignore)
        const providerOf = await this.providersOf(recipients)
        return recipients.map((recipient) => {
          return { kind: 'complaint', recipient, provider: providerOf(recipient), answer: undefined }
        })
      }
      case 'unsubscribe':
        if (trace.only !== undefined) return this.unsubscriptions(trace.only)
        ignore('no_recipient')
        return []
    }
  }

  private bounces(about: readonly (readonly [string, BouncedRecipient])[], providerOf: ProviderOf): Claim[] {
    const claims = new Map<string, Claim>()
    for (const [recipient, reported] of about) {
      const claim = this.bounceClaim(reported, recipient, providerOf(recipient))
      const before = claims.get(recipient)
      // An alias has several ends: the worst of them is told.
      if (!before || (before.answer?.isHard === false && claim.answer?.isHard === true)) claims.set(recipient, claim)
    }
    return [...claims.values()]
  }

  private bounceClaim(reported: BouncedRecipient, recipient: string, provider: string | undefined): Claim {
    const { original, final, action } = reported
    const answer = this.answerOf(reported, provider)
    // What it was forwarded to may be gone while the address itself is there: that is no reason to write there no more. Postfix
    // names both, the alias or list as the original.
    const isItself = [original, final].every((named) => named === undefined || foldAddress(named) === recipient)
    const kind = action === 'failed' ? 'bounced' : 'deferred'
    return {
      kind,
      recipient,
      provider,
      answer: { ...answer, isHard: answer.isHard && action === 'failed' && isItself },
    }
  }

  private answerOf({ diagnostic, status, action }: BouncedRecipient, provider: string | undefined): FeedbackAnswer {
    const read = readResponse(diagnostic, { phase: undefined, provider })
    // `5.0.0` says nothing; an answer without any code, of what has failed, was a refusal.
    const said = status !== undefined && !/^[245]\.0\.0$/.test(status) ? status : undefined
    const enhanced = read.enhanced ?? said ?? (read.code === 0 ? (status ?? UNSAID[action]) : undefined)
    const response = { ...read, enhanced, text: read.text === '' ? diagnostic : read.text }
    const { responseClass, scope, isHard, rule } = this.options.classifier().classify(response)
    return { responseClass, scope, isHard, rule: rule?.name, code: read.code, enhanced, text: response.text }
  }

  private async unsubscriptions(recipient: string): Promise<Claim[]> {
    const providerOf = await this.providersOf([recipient])
    return [{ kind: 'unsubscribe', recipient, provider: providerOf(recipient), answer: undefined }]
  }

  private async providersOf(recipients: readonly string[]): Promise<ProviderOf> {
    const domains = [...new Set(recipients.map(domainOf))].slice(0, MOST_DOMAINS)
    const found = await Promise.all(
      domains.map(async (domain) => [domain, await this.options.providerOf(domain)] as const),
    )
    const providers = new Map(found)
    return (recipient) => providers.get(domainOf(recipient))
  }

  /** What has not been said before, of no more recipients than there were. */
  private async once(
    trace: Trace,
    via: Feedback['via'],
    claims: readonly Claim[],
    ignored: Map<Ignored, number>,
  ): Promise<Feedback[]> {
    const said: Feedback[] = []
    const { store, clock, onFailure } = this.options
    const at = clock()
    for (let start = 0; start < claims.length; start += MOST_AT_ONCE) {
      const some = claims.slice(start, start + MOST_AT_ONCE)
      const isNew = await Promise.all(
        some.map(async ({ kind, recipient }) => {
          try {
            return (await store().judge(onceAsks(trace, kind, recipient))).committed
          } catch (error) {
            onFailure(error)
            return true
          }
        }),
      )
      for (const [index, claim] of some.entries()) {
        if (isNew[index]) said.push({ ...claim, at, via, origin: trace.origin, path: undefined, source: undefined })
        else ignored.set('repeated', (ignored.get('repeated') ?? 0) + 1)
      }
    }
    return said
  }
}

const UNSAID = { failed: '5.0.0', delayed: '4.0.0', delivered: undefined } as const

function onceAsks({ origin, count }: Trace, kind: FeedbackKind, recipient: string): Ask[] {
  const ask = (key: string, limit: number): Ask => {
    return { op: 'window', key, enforced: true, windows: [{ limit, windowMs: ONCE_MS }], cost: 1 }
  }
  return [
    ask(keyText('report_said', [kind, origin.message, recipient]), 1),
    ask(keyText('report_message', [kind, origin.message]), Math.max(1, count)),
  ]
}

/** Whom a bounce is about, each with what it says of him. */
function recipientsOf(bounce: Bounce, trace: Trace, ignore: Ignore): (readonly [string, BouncedRecipient])[] {
  return bounce.recipients.slice(0, MOST_RECIPIENTS).flatMap((reported) => {
    const recipient = reported.action === 'delivered' ? ({ why: 'delivered' } as const) : recipientOf(reported, trace)
    if (typeof recipient === 'string') return [[recipient, reported] as const]
    ignore(recipient.why)
    return []
  })
}

/** The only recipient, whoever is named: mail is forwarded. Of several, the one that is named. */
function recipientOf({ original, final }: BouncedRecipient, trace: Trace): string | { readonly why: Ignored } {
  if (trace.only !== undefined) return trace.only
  const named = [original, final].filter((address) => address !== undefined)
  if (named.length === 0) return { why: 'no_recipient' }
  const recipient = named.find((address) => trace.wentTo(address))
  return recipient === undefined ? { why: 'recipient' } : foldAddress(recipient)
}

/** Many reports do not say who complains: of a message to one it is known. */
function complainants(complaint: Complaint, trace: Trace, ignore: Ignore): string[] {
  if (trace.only !== undefined) return [trace.only]
  if (complaint.recipients.length === 0) ignore('no_recipient')
  const folded = complaint.recipients.slice(0, MOST_RECIPIENTS).map(foldAddress)
  return [...new Set(folded)].filter((recipient) => {
    if (trace.wentTo(recipient)) return true
    ignore('recipient')
    return false
  })
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1)
}

function nothing(trace: Trace | undefined, why: Ignored): Taken {
  return { trace, said: [], ignored: new Map([[why, 1]]) }
}
