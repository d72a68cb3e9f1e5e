import type { ResponseClass, ResponseScope } from './response-class'

/** Whose a message was, as far as its submission told: what an answer about it may be held against. */
export interface Origin {
  readonly tenant: string | undefined
  readonly account: string | undefined
  /** What the sender calls the mailing that it is of. */
  readonly campaign: string | undefined
  /** IP address that it was submitted from. */
  readonly client: string | undefined
  /** Envelope sender; empty for a bounce. */
  readonly sender: string
  /** Haraka's id of the transaction that queued it, a dot, and a number for each domain. */
  readonly message: string
}

export const FEEDBACK_KINDS = ['delivered', 'deferred', 'bounced', 'complaint', 'unsubscribe'] as const
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number]

/** What somebody elsewhere has said of a message of ours and one recipient of it. Never what we ourselves have said. */
export interface Feedback {
  readonly kind: FeedbackKind
  /** Milliseconds since 1970. */
  readonly at: number
  /** In an SMTP session of ours, in a report that came by mail, or by a link in the message. */
  readonly via: 'session' | 'report' | 'link'
  readonly origin: Origin
  /** Envelope address. */
  readonly recipient: string
  /** `egress|SOURCE|DESTINATION`, of what was said in a session; as are source and provider. */
  readonly path: string | undefined
  readonly source: string | undefined
  /** As `providers.yaml` calls it; undefined where none matches. */
  readonly provider: string | undefined
  /** What the answer is about; undefined for what was delivered, complaints and unsubscriptions. */
  readonly answer: FeedbackAnswer | undefined
}

export interface FeedbackAnswer {
  readonly responseClass: ResponseClass
  readonly scope: ResponseScope
  /** There is no use in writing there at all. */
  readonly isHard: boolean
  /** Name of the rule that knew it; undefined when none did. */
  readonly rule: string | undefined
  /** Three digits, or 0. */
  readonly code: number
  /** As printed: `4.7.28`. */
  readonly enhanced: string | undefined
  readonly text: string
}

/** Told of all that was said of one message at a time. Must be quick: what it cannot do at once it keeps, bounded. */
export type FeedbackReader = (said: readonly Feedback[]) => void

/** The one stream of what the world says of our mail. Readers learn from it: suppression, warm-up, guards, the way back. */
export class FeedbackStream {
  private readonly readers: FeedbackReader[] = []

  /** `onFailure`: a reader threw; the others are told all the same. */
  constructor(private readonly onFailure: (error: unknown) => void) {}

  read(reader: FeedbackReader): void {
    this.readers.push(reader)
  }

  tell(said: readonly Feedback[]): void {
    if (said.length === 0) return
    for (const reader of this.readers) {
      try {
        reader(said)
      } catch (error) {
        this.onFailure(error)
      }
    }
  }
}
