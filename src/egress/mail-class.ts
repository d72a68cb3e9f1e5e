import { MAIL_CLASSES, type MailClass } from './fair-queue'

/** What the configuration says of classes. */
export interface ClassRules {
  /** Accounts and tenants in lower case. */
  readonly ofAccount: ReadonlyMap<string, MailClass>
  readonly ofTenant: ReadonlyMap<string, MailClass>
  /** Of mail of which nothing else says it. */
  readonly standard: MailClass
  /** Header field by which those whom we know say it themselves; undefined: none. */
  readonly header: string | undefined
  /** That by which they say the campaign. */
  readonly campaignHeader: string | undefined
}

/** What is known of a message when it is taken. */
export interface Submitted {
  /** In lower case; undefined when the client has not logged in. */
  readonly account: string | undefined
  readonly tenant: string | undefined
  /** The client is one of our own machines, whose word is taken. */
  readonly isTrusted: boolean
  /** What stands in the header field; undefined when there is none. Several are joined, and say nothing then. */
  readonly header: string | undefined
  /** It has no sender. */
  readonly isBounce: boolean
}

/**
 * Why what the header says does not hold: nobody whom we know has said it, it is no class, or it would make the message
 * more urgent than the configuration lets the account or tenant be.
 */
export type Ignored = 'stranger' | 'unknown' | 'above'

export interface Classified {
  readonly mailClass: MailClass
  /** What has said so. */
  readonly by: 'bounce' | 'header' | 'account' | 'tenant' | 'default'
  readonly ignored: Ignored | undefined
}

/**
 * The class of a message: of a bounce always `system`, else what its header says, else that of its account, else of its
 * tenant. A customer cannot write himself before the others: where the configuration gives his account or tenant a class,
 * his header may say a less urgent one only. Our own machines may say any.
 */
export function classify(rules: ClassRules, submitted: Submitted): Classified {
  const { mailClass, by } = byRules(rules, submitted)
  const rule = { mailClass, by, ignored: undefined }
  if (rules.header === undefined || submitted.header === undefined) return rule
  if (!submitted.isTrusted && submitted.account === undefined) return { ...rule, ignored: 'stranger' }
  const said = readClass(submitted.header)
  if (said === undefined) return { ...rule, ignored: 'unknown' }
  if (by === 'bounce') return rule
  const isAbove = by !== 'default' && MAIL_CLASSES.indexOf(said) < MAIL_CLASSES.indexOf(mailClass)
  if (isAbove && !submitted.isTrusted) return { ...rule, ignored: 'above' }
  return { mailClass: said, by: 'header', ignored: undefined }
}

function byRules(rules: ClassRules, { account, tenant, isBounce }: Submitted): Pick<Classified, 'mailClass' | 'by'> {
  if (isBounce) return { mailClass: 'system', by: 'bounce' }
  const ofAccount = account === undefined ? undefined : rules.ofAccount.get(account.toLowerCase())
  if (ofAccount !== undefined) return { mailClass: ofAccount, by: 'account' }
  const ofTenant = tenant === undefined ? undefined : rules.ofTenant.get(tenant.toLowerCase())
  if (ofTenant !== undefined) return { mailClass: ofTenant, by: 'tenant' }
  return { mailClass: rules.standard, by: 'default' }
}

/** Case and blanks around it do not matter; undefined when it is no class. */
export function readClass(text: string): MailClass | undefined {
  const folded = text.trim().toLowerCase()
  return MAIL_CLASSES.find((mailClass) => mailClass === folded)
}
