import { MAIL_CLASSES } from '../../egress/fair-queue'
import { type Label, notesOf } from '../../egress/label'
import { type Classified, classify } from '../../egress/mail-class'
import { cleanReason } from '../../policy/ban'
import { stamp } from '../feedback/stamp'
import type { HookBody } from '../guard'
import type { Runtime } from '../runtime'
import { accountOf, tenantOf } from '../subject'
import type { Connection, Transaction } from '../types'

export { type Label, OWN_MAIL, labelOf, notesOf } from '../../egress/label'

const MOST_SHOWN = 60
const MOST_CAMPAIGN = 100

/**
 * Body of hook data_post, before anything is signed: labels the message and takes the header fields off it, whoever has
 * written them, since the next server may believe them. A message that is not sent on keeps its label for nothing.
 */
export const labelMessage: HookBody<Runtime> = (runtime, connection) => {
  const { transaction } = connection
  if (!transaction) return undefined
  const { policy } = runtime
  const isTrusted = runtime.sessions.of(connection).client.trusted || isListedRelay(connection)
  const { classified, header, label } = labelSubmission({ connection, transaction, isTrusted, policy })
  if (isTrusted || label.account !== undefined) stamp(runtime, transaction, label)
  if (classified.ignored !== undefined && header !== undefined) {
    const value = JSON.stringify(header.slice(0, MOST_SHOWN))
    const line = `[sluice] ${policy.egress.classes.header}: ${value} is ignored: ${WHY[classified.ignored]}`
    // Any stranger can write one: that is no news.
    if (classified.ignored === 'stranger') connection.logdebug(line)
    else connection.lognotice(`${line}; it is ${classified.mailClass}`)
  }
  return undefined
}

const WHY: Readonly<Record<NonNullable<Classified['ignored']>, string>> = {
  stranger: 'the client is neither logged in nor trusted',
  unknown: `write one of ${MAIL_CLASSES.join(', ')}`,
  above: 'more urgent than egress in sluice.yaml lets its account or tenant be',
}

export interface Submission {
  readonly connection: Connection
  readonly transaction: Transaction
  readonly isTrusted: boolean
  readonly policy: Pick<Runtime['policy'], 'egress' | 'tenants'>
}

/** Sets the note and removes the header field; returns what was decided, and what the field said. */
export function labelSubmission({ connection, transaction, isTrusted, policy }: Submission): {
  readonly classified: Classified
  readonly header: string | undefined
  readonly label: Label
} {
  const rules = policy.egress.classes
  const account = accountOf(connection)
  const tenant = account === undefined ? undefined : tenantOf(account, policy.tenants)
  const header = rules.header === undefined ? undefined : takeHeader(transaction, rules.header)
  const mayTell = isTrusted || account !== undefined
  const campaign = nameOf(
    rules.campaignHeader === undefined ? undefined : takeHeader(transaction, rules.campaignHeader),
  )
  const from = transaction.mail_from as Transaction['mail_from'] | null
  const classified = classify(rules, { account, tenant, isTrusted, header, isBounce: !from?.user })
  const { mailClass } = classified
  // What a stranger sends and we pass on, to a host behind us or an alias elsewhere, is not held against his server: behind it
  // are all who write from there.
  const client = connection.remote.ip
  const ours = mayTell ? { campaign, client } : { campaign: undefined, client: undefined }
  const label = { mailClass, tenant, account, ...ours }
  Object.assign(transaction.notes, notesOf(label))
  return { classified, header, label }
}

/** Names of campaigns stand in keys, logs and commands: what breaks those is left out. */
function nameOf(said: string | undefined): string | undefined {
  const name = cleanReason(said ?? '', MOST_CAMPAIGN)
  return name === '' ? undefined : name
}

function takeHeader(transaction: Transaction, name: string): string | undefined {
  const values = transaction.header.get_all(name)
  if (values.length === 0) return undefined
  const said = values.map((value) => value.trim()).join(', ')
  transaction.remove_header(name)
  return said
}

/**
 * Whether relay_acl_allow of haraka-plugin-relay names the client. That it may relay is not enough: relay_dest_domains
 * lets anybody relay to some domains.
 */
function isListedRelay(connection: Connection): boolean {
  if (!connection.relaying) return false
  const noted = connection.results.get('relay') as { readonly pass?: unknown } | undefined
  return Array.isArray(noted?.pass) && noted.pass.includes('acl')
}
