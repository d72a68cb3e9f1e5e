import { type Mailbox, foldRecipient, foldSender, organisationalDomain } from '../keys/mailbox'
import type { Ban } from '../policy/ban'
import {
  type Client,
  NOTHING_DONE,
  type SenderOrder,
  type SpfResult,
  type Stage,
  type Subject,
} from '../policy/subject'
import type { Label } from '../egress/label'
import { saySender, senderTarget, sendersOf } from '../egress/sender-target'
import type { Steering } from '../egress/steering'
import type { Jail } from './jail'
import type { LoadFacts } from './load-watch'
import type { Suppression } from '../policy/suppression'
import type { Session } from './session'
import type { Connection, EnvelopeAddress, Transaction } from './types'

export interface Circumstances {
  readonly tenants: ReadonlyMap<string, string>
  /** What is judged, as {@link Session.heldFor} knows it. */
  readonly token: object
  readonly recipient: EnvelopeAddress | undefined
  /** Undefined when nobody is ever banned. */
  readonly jail: Jail | undefined
  /** Undefined when nobody orders anything for senders. */
  readonly steering: Steering | undefined
  readonly limitFactor: number
  readonly suppressed: Suppression | undefined
  readonly load: LoadFacts
}

/** Makes the subject of a stage from what Haraka knows at that moment. */
export function subjectOf(
  stage: Stage,
  connection: Connection,
  session: Session,
  { tenants, token, recipient, jail, steering, limitFactor, suppressed, load }: Circumstances,
): Subject {
  const { transaction } = connection
  const account = accountOf(connection)
  const tenant = account === undefined ? undefined : tenantOf(account, tenants)
  const sender = transaction ? senderOf(transaction, session) : undefined
  const mailbox = recipient ? recipientOf(recipient) : undefined
  return {
    stage,
    at: Date.now(),
    client: session.client,
    session: {
      leaseId: session.leaseId,
      startedAt: session.startedAt,
      recipients: session.recipients,
      errors: session.errors,
      junk: session.junk,
      authFailures: session.authFailures,
      unknownRecipients: session.unknownRecipients,
      early: connection.early_talker === true,
    },
    direction: isSubmission(connection) ? 'submission' : 'inbound',
    id: transaction?.uuid ?? connection.uuid,
    helo: connection.hello.host ?? undefined,
    account,
    tenant,
    sender,
    spfDomain: AFTER_SPF.has(stage) && transaction ? provedDomainOf(connection, transaction) : undefined,
    spf: AFTER_SPF.has(stage) && transaction ? spfResultOf(transaction) : undefined,
    recipient: mailbox,
    repeated: stage === 'rcpt_ok' && mailbox !== undefined && isRepeated(transaction, session, mailbox),
    sizeBytes: stage === 'data_post' ? (transaction?.data_bytes ?? 0) : 0,
    signals: session.signals,
    limitFactor,
    orders:
      ORDER_STAGES.has(stage) && steering ? ordersFor({ account, tenant, client: session.client.ip }, steering) : [],
    suppressed,
    ban: stage === 'connect' || stage === 'mail' ? jail?.banOf(session.client, account, sender) : undefined,
    held: session.heldFor === token,
    load: load.level,
    familiar:
      LOAD_STAGES.has(stage) && (isSubmission(connection) || load.familiar(session.client, connection.local.port)),
  }
}

/** Where clients are shed under overload. */
const LOAD_STAGES: ReadonlySet<Stage> = new Set(['connect', 'mail', 'data'])

/** Where senders are judged. */
const ORDER_STAGES: ReadonlySet<Stage> = new Set(['mail', 'rcpt_ok'])

/** What is ordered for whoever sends, as far as he is known before his message is. */
function ordersFor(sender: Pick<Label, 'account' | 'tenant' | 'client'>, steering: Steering): SenderOrder[] {
  return sendersOf({ ...sender, campaign: undefined }).flatMap((name) =>
    Array.from(steering.holding(senderTarget(name)), ({ action, holds }) => {
      const { id, path, values, since, until } = action
      return { id, target: path, who: saySender(name), ...values, since, until, holds }
    }),
  )
}

/** The subject of a client at the door, of whom nothing is known but the address, and whether it is banned. */
export function subjectAtDoor(client: Client, port: number, ban: Ban | undefined, load: LoadFacts): Subject {
  const at = Date.now()
  return {
    stage: 'connect',
    at,
    client,
    session: { leaseId: '', startedAt: at, ...NOTHING_DONE },
    direction: 'inbound',
    id: '-',
    helo: undefined,
    account: undefined,
    tenant: undefined,
    sender: undefined,
    spfDomain: undefined,
    spf: undefined,
    recipient: undefined,
    repeated: false,
    sizeBytes: 0,
    signals: [],
    limitFactor: 1,
    orders: [],
    suppressed: undefined,
    ban,
    held: false,
    load: load.level,
    familiar: load.familiar(client, port),
  }
}

/** Whether the client has authenticated, or may relay: it is no stranger. */
export function isSubmission(connection: Connection): boolean {
  return connection.relaying || accountOf(connection) !== undefined
}

/** The sender of a message, folded; an empty one of a bounce. */
export function senderOf(transaction: Transaction, session: Session): Mailbox | undefined {
  const from = transaction.mail_from as EnvelopeAddress | null | undefined
  if (!from) return undefined
  if (session.sender?.of !== transaction) {
    session.sender = { of: transaction, mailbox: foldSender(from.user ?? '', hostOf(from)) }
  }
  return session.sender.mailbox
}

/** A recipient, folded. */
export function recipientOf(recipient: EnvelopeAddress): Mailbox {
  return foldRecipient(recipient.user ?? '', hostOf(recipient))
}

/** What haraka-plugin-spf notes: of the HELO in the session's results, of the sender in the message's. */
interface SpfNote {
  readonly scope?: unknown
  readonly result?: unknown
  readonly domain?: unknown
}

/** Of the HELO name alone it proves nothing about the sender. */
function spfOf(transaction: Transaction): SpfNote | undefined {
  const noted = transaction.results.get('spf') as SpfNote | undefined
  return noted?.scope === 'mfrom' ? noted : undefined
}

/** Organisational domain of the sender when SPF has passed for it. */
export function spfDomainOf(transaction: Transaction): string | undefined {
  return passedDomainOf(spfOf(transaction))
}

/** The same; a bounce has no sender, and the HELO stands for it (RFC 7208 §2.4). */
function provedDomainOf(connection: Connection, transaction: Transaction): string | undefined {
  const from = transaction.mail_from as EnvelopeAddress | null | undefined
  if (!from || from.user || hostOf(from)) return spfDomainOf(transaction)
  const noted = connection.results.get('spf') as SpfNote | undefined
  return noted?.scope === 'helo' ? passedDomainOf(noted) : undefined
}

function passedDomainOf(noted: SpfNote | undefined): string | undefined {
  if (noted?.result !== 'Pass' || typeof noted.domain !== 'string') return undefined
  return organisationalDomain(noted.domain.toLowerCase())
}

/** At MAIL the plugin spf has spoken when it stands above ours. */
const AFTER_SPF: ReadonlySet<Stage> = new Set(['mail', 'rcpt', 'rcpt_ok'])
const SPF_RESULTS: Readonly<Record<string, SpfResult>> = { Pass: 'pass', Fail: 'fail', SoftFail: 'softfail' }

function spfResultOf(transaction: Transaction): SpfResult | undefined {
  const noted = spfOf(transaction)
  return noted && (SPF_RESULTS[String(noted.result)] ?? 'other')
}

/** Haraka lists a recipient before it is judged, and takes it from the end of the list again when it is refused. */
function isRepeated(transaction: Transaction | null, session: Session, mailbox: Mailbox): boolean {
  const before = (transaction?.rcpt_to.length ?? 0) - 1
  if (!transaction || before < 1) return false
  if (session.named?.of !== transaction) session.named = { of: transaction, count: 0, addresses: new Set() }
  const { named } = session
  for (; named.count < before; named.count++) {
    const earlier = transaction.rcpt_to[named.count]!
    named.addresses.add(recipientOf(earlier).address)
  }
  return named.addresses.has(mailbox.address)
}

/** Haraka keeps an internationalised domain in both forms; the ASCII one is the same for every client. */
function hostOf(address: EnvelopeAddress): string {
  return address.host ?? address.original_host ?? ''
}

/** `user@host`, as in the envelope; a null sender is `@`. */
export function addressText(address: EnvelopeAddress): string {
  return `${address.user ?? ''}@${hostOf(address)}`
}

/** Who has logged in, in lower case. */
export function accountOf(connection: Connection): string | undefined {
  const user = connection.notes.auth_user
  return typeof user === 'string' && user !== '' ? user.toLowerCase() : undefined
}

/** Whose an account is: as the configuration says of it or its domain, else its domain. */
export function tenantOf(account: string, tenants: ReadonlyMap<string, string>): string {
  const domain = account.slice(account.lastIndexOf('@') + 1)
  return tenants.get(account) ?? tenants.get(domain) ?? domain
}
