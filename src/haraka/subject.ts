import { type Mailbox, foldRecipient, foldSender } from '../keys/mailbox'
import type { Stage, Subject } from '../policy/subject'
import type { Session } from './session'
import type { Connection, EnvelopeAddress, Transaction } from './types'

/** Makes the subject of a stage from what Haraka knows at that moment. */
export function subjectOf(
  stage: Stage,
  connection: Connection,
  session: Session,
  tenants: ReadonlyMap<string, string>,
  recipient?: EnvelopeAddress,
): Subject {
  const { transaction } = connection
  const account = accountOf(connection)
  return {
    stage,
    at: Date.now(),
    client: session.client,
    session: {
      leaseId: session.leaseId,
      startedAt: session.startedAt,
      recipients: session.recipients,
      errors: connection.errors + connection.rcpt_count.reject,
      junk: session.junk,
    },
    direction: account !== undefined || connection.relaying ? 'submission' : 'inbound',
    id: transaction?.uuid ?? connection.uuid,
    helo: connection.hello.host ?? undefined,
    account,
    tenant: account === undefined ? undefined : tenantOf(account, tenants),
    sender: transaction ? senderOf(transaction, session) : undefined,
    recipient: recipient ? foldRecipient(recipient.user ?? '', hostOf(recipient)) : undefined,
    sizeBytes: stage === 'data_post' ? (transaction?.data_bytes ?? 0) : 0,
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
