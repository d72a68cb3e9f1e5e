import type { AttemptPhase } from '../policy/attempt-phase'

/** What an answer is about. */
export const RESPONSE_CLASSES = {
  reputation: 'what we are known for: deferred or slowed until it is better',
  rate: 'too many messages in too short a time',
  connections: 'too many sessions at a time, or too many new ones',
  session_cap: 'this session has carried enough; a new one may begin',
  busy: 'the server is busy or ill; it would say so to anybody',
  recipient_rate: 'this mailbox gets too much at the moment',
  greylist: 'the first try of a stranger; the next one is taken',
  mailbox_full: 'the mailbox has no room',
  invalid: 'there is no such mailbox, or no such domain',
  disabled: 'the mailbox is there, and takes no mail',
  content: 'what the message says or carries',
  authentication: 'SPF, DKIM, DMARC, reverse names, or a login',
  listed: 'an address or domain of ours is on a block list',
  tls: 'there is no TLS where there must be',
  dns: 'names that the server needs do not resolve',
  timeout: 'somebody took too long',
  policy: 'a rule of the server: size, relaying, who may write to whom',
  protocol: 'commands or syntax that the server does not take',
  unknown: 'nothing is known of it',
} as const
export type ResponseClass = keyof typeof RESPONSE_CLASSES

/** Whom the answer is about, and what would have to change. */
export const RESPONSE_SCOPES = [
  'path',
  'session',
  'source',
  'recipient',
  'message',
  'spf_domain',
  'dkim_domain',
  'url',
  'sender',
] as const
export type ResponseScope = (typeof RESPONSE_SCOPES)[number]

/** What a server, or a report of one, has said. */
export interface Response {
  /** Three digits, or 0 where there was none. */
  readonly code: number
  /** As printed: `4.7.28`. */
  readonly enhanced: string | undefined
  /** The rest, in one line. */
  readonly text: string
  readonly phase: AttemptPhase | undefined
  /** As `providers.yaml` calls it. */
  readonly provider: string | undefined
}
