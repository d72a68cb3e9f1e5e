/** What a report that came by mail says. Nothing of it is believed yet: see `intake.ts`. */
export type Report = Bounce | Complaint | Unsubscription | Unheeded

interface ReportBase {
  /** How it is written: `rfc3464`, `qmail`, `arf` … */
  readonly form: string
  /** What ties it to a message of ours; undefined when nothing of that came back. */
  readonly trace: string | undefined
  /** Message-ID of what it is about, for people. */
  readonly messageId: string | undefined
}

export interface Bounce extends ReportBase {
  readonly kind: 'bounce'
  /** The server that reports, as it calls itself. */
  readonly reporter: string | undefined
  readonly recipients: readonly BouncedRecipient[]
}

/** RFC 3464 §2.3.3. */
export type BounceAction = 'failed' | 'delayed' | 'delivered'

export interface BouncedRecipient {
  /** As we have written it, where the report says; and what became of it since. */
  readonly original: string | undefined
  readonly final: string | undefined
  readonly action: BounceAction
  /** Enhanced code, RFC 3463, such as `5.1.1`. */
  readonly status: string | undefined
  /** What the last server answered, or the reporting one says. */
  readonly diagnostic: string
  readonly remote: string | undefined
}

export interface Complaint extends ReportBase {
  readonly kind: 'complaint'
  /** `abuse`, `fraud` … (RFC 5965 §7.3). */
  readonly feedbackType: string
  /** Many reports leave them out. */
  readonly recipients: readonly string[]
  readonly sourceIp: string | undefined
  readonly userAgent: string | undefined
  readonly domain: string | undefined
}

export interface Unsubscription extends ReportBase {
  readonly kind: 'unsubscribe'
  /** Texts that may be the token of the link, the likeliest first. */
  readonly tokens: readonly string[]
}

/** Why nothing is to be done. */
export const UNHEEDED = {
  auto_reply: 'an answer of a machine: a holiday, a receipt',
  own: 'a report of our own',
  loop: 'about a report, not about a message',
  sender: 'a bounce from a sender that bounces do not have',
  not_spam: 'a report about something else than a complaint',
  other: 'no report that is known',
} as const
export type UnheededWhy = keyof typeof UNHEEDED

export interface Unheeded extends ReportBase {
  readonly kind: 'unheeded'
  readonly why: UnheededWhy
}

/** So many recipients of one report are heeded. */
export const MOST_RECIPIENTS = 10_000
