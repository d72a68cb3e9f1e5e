import { type Mailbox, foldRecipient, foldSender, organisationalDomain } from '../keys/mailbox'
import type { Client, Stage, Subject } from '../policy/subject'
import type { LoadFacts } from './load-watch'
import type { Session } from './session'
import type { Connection, EnvelopeAddress, Transaction } from './types'

/** Makes the subject of a stage from what Haraka knows at that moment. */
export function subjectOf(
  stage: Stage,
  connection: Connection,
  session: Session,
  tenants: ReadonlyMap<string, string>,
  load: LoadFacts,
  recipient?: EnvelopeAddress,
): Subject {
  const { transaction } = connection
  const account = accountOf(connection)
  const mailbox = recipient ? foldRecipient(recipient.user ?? '', hostOf(recipient)) : undefined
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
    },
    direction: account !== undefined || connection.relaying ? 'submission' : 'inbound',
    id: transaction?.uuid ?? connection.uuid,
    helo: connection.hello.host ?? undefined,
    account,
    tenant: account === undefined ? undefined : tenantOf(account, tenants),
    sender: transaction ? senderOf(transaction, session) : undefined,
    spfDomain: stage === 'rcpt_ok' && transaction ? spfDomainOf(transaction) : undefined,
    recipient: mailbox,
    repeated: stage === 'rcpt_ok' && mailbox !== undefined && isRepeated(transaction, session, mailbox),
    sizeBytes: stage === 'data_post' ? (transaction?.data_bytes ?? 0) : 0,
    load: load.level,
    familiar: stage === 'connect' && load.familiar(session.client, connection.local.port),
  }
}

/** The subject of a client at the door, of whom nothing is known but the address. */
export function subjectAtDoor(client: Client, port: number, load: LoadFacts): Subject {
  const at = Date.now()
  return {
    stage: 'connect',
    at,
    client,
    session: { leaseId: '', startedAt: at, recipients: 0, errors: 0, junk: 0 },
    direction: 'inbound',
    id: '-',
    helo: undefined,
    account: undefined,
    tenant: undefined,
    sender: undefined,
    spfDomain: undefined,
    recipient: undefined,
    repeated: false,
    sizeBytes: 0,
    load: load.level,
    familiar: load.familiar(client, port),
  }
}

function senderOf(transaction: Transaction, session: Session): Mailbox | undefined {
  const from = transaction.mail_from as EnvelopeAddress | null | undefined
  if (!from) return undefined
  if (session.sender?.of !== transaction) {
    session.sender = { of: transaction, mailbox: foldSender(from.user ?? '', hostOf(from)) }
  }
  return session.sender.mailbox
}

/** As haraka-plugin-spf notes it at MAIL. A pass of the HELO name alone proves nothing about the sender. */
function spfDomainOf(transaction: Transaction): string | undefined {
  const noted = transaction.results.get('spf') as { scope?: unknown; result?: unknown; domain?: unknown } | undefined
  if (noted?.scope !== 'mfrom' || noted.result !== 'Pass' || typeof noted.domain !== 'string') return undefined
  return organisationalDomain(noted.domain.toLowerCase())
}

/** Haraka lists a recipient before it is judged, and takes it from the end of the list again when it is refused. */
function isRepeated(transaction: Transaction | null, session: Session, mailbox: Mailbox): boolean {
  const before = (transaction?.rcpt_to.length ?? 0) - 1
  if (!transaction || before < 1) return false
  if (session.named?.of !== transaction) session.named = { of: transaction, count: 0, addresses: new Set() }
  const { named } = session
  for (; named.count < before; named.count++) {
    const earlier = transaction.rcpt_to[named.count]!
    named.addresses.add(foldRecipient(earlier.user ?? '', hostOf(earlier)).address)
  }
  return named.addresses.has(mailbox.address)
}

/** Haraka keeps an internationalised domain in both forms; the ASCII one is the same for every client. */
function hostOf(address: EnvelopeAddress): string {
  return address.host ?? address.original_host ?? ''
}

function accountOf(connection: Connection): string | undefined {
  const user = connection.notes.auth_user
  return typeof user === 'string' && user !== '' ? user.toLowerCase() : undefined
}

function tenantOf(account: string, tenants: ReadonlyMap<string, string>): string {
  const domain = account.slice(account.lastIndexOf('@') + 1)
  return tenants.get(account) ?? tenants.get(domain) ?? domain
}
