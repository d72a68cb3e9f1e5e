import type { Ban } from '../policy/ban'
import type { Outcome } from '../policy/decision'
import type { Mode } from '../policy/mode'

/** One stage of one subject was judged. `tookMs` includes the wait for the store. */
export interface JudgedEvent {
  readonly kind: 'judged'
  readonly outcome: Outcome
  readonly tookMs: number
}

/** The shared store was lost or is back; each change once. */
export interface StoreEvent {
  readonly kind: 'store'
  readonly state: 'lost' | 'back'
  readonly at: number
  readonly reason: string
  /** How long it was out of reach; only with `back`. */
  readonly downMs?: number
}

/** A configuration was taken, or refused and the last good one kept. */
export interface ConfigEvent {
  readonly kind: 'config'
  readonly at: number
  readonly file: string
  readonly accepted: boolean
  /** What is wrong, ready to print; empty when accepted. */
  readonly problems: readonly string[]
  /** The mode of the configuration in force, and how many rules it has. */
  readonly inForce: string
}

/** The load of this process has come to another whole step. */
export interface LoadEvent {
  readonly kind: 'load'
  readonly at: number
  /** 0 normal, 1 strangers wait, 2 some of them are deferred, 3 all of them and some known clients, 4 everybody. */
  readonly level: number
  readonly before: number
  /** Of the overload gate: whether any of it is done. */
  readonly mode: Mode
  /** Each signal as a share of its threshold. */
  readonly pressures: Readonly<Record<string, number>>
}

/** A hook of ours failed or ran out of time; the mail went on as if we were not there. */
export interface GuardEvent {
  readonly kind: 'guard'
  readonly at: number
  readonly plugin: string
  readonly hook: string
  readonly failure: 'error' | 'deadline'
  readonly message: string
}

/** A client was refused a command that probes for addresses. */
export interface ProbeEvent {
  readonly kind: 'probe'
  readonly at: number
  readonly ip: string
  readonly command: 'VRFY' | 'EXPN'
}

/** Somebody was put on the block list by this process. */
export interface BanEvent {
  readonly kind: 'ban'
  readonly at: number
  readonly ban: Ban
  /** How often the same has been banned before, as far as is remembered. */
  readonly before: number
  /** How it is applied: what the jail bans by itself obeys its mode. */
  readonly mode: Mode
}

/** A client did something wrong that counts against it. None of who is never banned. */
export interface OffenceEvent {
  readonly kind: 'offence'
  readonly at: number
  readonly ip: string
  /** `auth`, `relay`, `unknown_recipient` … */
  readonly offence: string
  /** The account that it tried, of failed logins; as the client wrote it, but in lower case. */
  readonly account: string | undefined
}

/** Somebody was taken off the block list by this process. */
export interface UnbanEvent {
  readonly kind: 'unban'
  readonly at: number
  readonly target: string
  /** Who wanted it. */
  readonly origin: string
}

/** A DNS list fell ill, is ill in another way, or is well again; each change once. */
export interface ZoneEvent {
  readonly kind: 'zone'
  readonly at: number
  /** What the list is called in public. */
  readonly label: string
  /** `well`, or how it is ill: `lying`, `dead`, `refused`, `failing`. */
  readonly to: string
  readonly why: string
}

/** One attempt to deliver a message to one domain has ended. All texts are as the other side wrote them, cut to 1,000 characters. */
export interface AttemptEvent {
  readonly kind: 'attempt'
  readonly at: number
  /** Haraka's id of the transaction that queued it, a dot, and a number for each domain. */
  readonly id: string
  /** Name of the queue file through all its attempts: `1790000000000_aBcDeF`. */
  readonly file: string
  /** `egress|SOURCE|DESTINATION`. */
  readonly path: string
  readonly source: string
  /** Undefined where no provider matches the MX hosts. */
  readonly provider: string | undefined
  readonly mailClass: string
  readonly tenant: string
  /** Empty for a bounce. */
  readonly sender: string
  /** At most ten. */
  readonly recipients: readonly string[]
  readonly domain: string
  /** How many recipients it ended how for. */
  readonly delivered: number
  readonly deferred: number
  readonly bounced: number
  /** Attempts so far, this one included. */
  readonly attempts: number
  /** Since the message was first queued. */
  readonly ageMs: number
  /** How long it waited for its path before this attempt, since it was due. */
  readonly waitedMs: number
  readonly tookMs: number
  /** When it is tried again; undefined when it is not. */
  readonly retryAt: number | undefined
  /** The host that was asked last; undefined when none could be. */
  readonly host: string | undefined
  readonly ip: string | undefined
  readonly session: 'new' | 'reused' | undefined
  /** `TLSv1.3`; undefined in the clear. */
  readonly tls: string | undefined
  /** Whether the certificate is good, and the host's. */
  readonly verified: boolean
  /** How long each phase took: connect, greeting, hello, starttls, auth, mail, rcpt, data, block, dot. */
  readonly phasesMs: Readonly<Record<string, number>>
  /** Where it ended. */
  readonly phase: string | undefined
  /** The reply that decided, or 0 where there was none. */
  readonly code: number
  readonly enhanced: string | undefined
  /** The text of the reply, or what failed. */
  readonly text: string
  /** Why there was no reply: `refused`, `timeout`, `tls` … */
  readonly failure: string | undefined
  /** What the reply is about: `rate`, `invalid` …; undefined where there was none. */
  readonly about: string | undefined
  /** Whom it is about: `source`, `recipient` … */
  readonly scope: string | undefined
  /** Name of the rule in `responses.yaml` that knew it. */
  readonly rule: string | undefined
}

/** Something was ordered, for a path or a sender, by this process: by answers, by a volume, by rates of bounces. */
export interface OrderEvent {
  readonly kind: 'order'
  readonly at: number
  readonly id: string
  /** `egress|default|google`, `sender|account|ann@example.com`. */
  readonly target: string
  /** In a few words: `50% of rate and connections`. */
  readonly does: string
  /** `controller`, `breaker`, `rule`, `blame`, `guard`. */
  readonly origin: string
  /** shadow: it is shown, and changes nothing. */
  readonly mode: 'enforce' | 'shadow'
  /** What was seen. */
  readonly evidence: string
  readonly until: number
}

/** Somebody elsewhere has said something of our mail: in a report that came by mail, or by a link. */
export interface FeedbackEvent {
  readonly kind: 'feedback'
  readonly at: number
  readonly via: 'report' | 'link'
  /** `bounce`, `complaint`, `unsubscribe`, `unheeded`, or `unreadable`. */
  readonly report: string
  /** How it is written: `rfc3464`, `qmail`, `arf` …; `-` where that is not known. */
  readonly form: string
  /** What is heeded of it: recipients by what it says of them (`hard`, `soft`, `complaint` …) and provider. */
  readonly heeded: readonly { readonly what: string; readonly provider: string | undefined; readonly count: number }[]
  /** What changes nothing, by why. */
  readonly ignored: Readonly<Record<string, number>>
  /** Whose message it is about; all undefined where that is not proved. */
  readonly tenant: string | undefined
  readonly account: string | undefined
  readonly campaign: string | undefined
  readonly message: string | undefined
  /** At most ten. */
  readonly recipients: readonly string[]
  /** Address of the client that brought it; undefined for a link. */
  readonly ip: string | undefined
  /** What it says, of the first recipient; or what is wrong with it. */
  readonly text: string
}

/** Recipients of a message were found on the suppression list, beside what a judged stage or an attempt tells of it. */
export interface SuppressedEvent {
  readonly kind: 'suppressed'
  readonly at: number
  /** Haraka's id of the transaction, in the queue with a dot and a number. */
  readonly id: string
  /** `discarded`: nobody else was to get it; it was accepted, and is gone. `spared`: in shadow, it is sent to them all the same. */
  readonly what: 'discarded' | 'spared'
  readonly mode: Mode
  /** At most ten. */
  readonly recipients: readonly string[]
  readonly count: number
}

/** A sender was slowed down or paused for what the world says of his mail, or goes on as usual. Each step once, in one process. */
export interface SenderEvent {
  readonly kind: 'sender'
  readonly at: number
  readonly step: 'slow' | 'pause' | 'recover'
  /** `campaign`, `account`, `client` or `tenant`. */
  readonly of: string
  readonly name: string
  /** What is wrong with his mail: `hard` or `soft` bounces, `complaints`. */
  readonly fault: string
  /** Id of the action. */
  readonly id: string
  /** shadow: nothing follows from it. */
  readonly mode: 'enforce' | 'shadow'
  readonly until: number
  /** What was seen, in figures. */
  readonly evidence: string
}

/** An address that we send from has come on a DNS list, or off all of them. Each change once, in one process. */
export interface ListedEvent {
  readonly kind: 'listed'
  readonly at: number
  readonly address: string
  readonly source: string
  /** What lists are called in public; none: it is off. */
  readonly lists: readonly string[]
  /** What becomes of the source: it rests, would in another mode, has nobody to stand in for it, or sends as usual. */
  readonly then: 'resting' | 'shadow' | 'alone' | 'free'
}

/** Something an operator must read that is none of the above, such as a corrupt store set aside. */
export interface NoticeEvent {
  readonly kind: 'notice'
  readonly at: number
  readonly message: string
}

export type TelemetryEvent =
  | JudgedEvent
  | StoreEvent
  | ConfigEvent
  | LoadEvent
  | GuardEvent
  | ProbeEvent
  | BanEvent
  | UnbanEvent
  | OffenceEvent
  | ZoneEvent
  | AttemptEvent
  | OrderEvent
  | FeedbackEvent
  | SuppressedEvent
  | SenderEvent
  | ListedEvent
  | NoticeEvent

/** Told every event, synchronously: it must be quick and keep what it cannot do at once. */
export type Reader = (event: TelemetryEvent) => void

/** The one stream on which everything worth knowing appears once; log lines, metrics and journals read it. */
export class EventStream {
  private readonly readers: Reader[] = []
  /** Events that a reader threw on; a broken reader must not stop the mail nor the other readers. */
  failures = 0
  lastFailure: unknown

  read(reader: Reader): void {
    this.readers.push(reader)
  }

  emit(event: TelemetryEvent): void {
    for (const reader of this.readers) {
      try {
        reader(event)
      } catch (error) {
        this.failures++
        this.lastFailure = error
      }
    }
  }
}
