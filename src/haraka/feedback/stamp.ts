import type { Label } from '../../egress/label'
import type { Origin } from '../../feedback/feedback'
import { writeTrace } from '../../feedback/trace/trace'
import type { Runtime } from '../runtime'
import { addressText } from '../subject'
import type { EnvelopeAddress, Transaction } from '../types'

/** RFC 5322 §2.1.1 asks for lines of 78 characters. */
const FOLD_AT = 66

/**
 * Puts the trace on a message of ours, in place of any that it bears, and the links to unsubscribe where it is a
 * newsletter. Before it is signed. A bounce bears none: what is said of it concerns nobody.
 */
export function stamp(
  { policy, desk }: Pick<Runtime, 'policy' | 'desk'>,
  transaction: Transaction,
  label: Label,
): void {
  const { traceHeader, addresses, unsubscribeUrl } = policy.feedback
  // Another's would lay what is said of this message at his door.
  if (traceHeader !== undefined && transaction.header.get_all(traceHeader).length > 0) {
    transaction.remove_header(traceHeader)
  }
  const from = transaction.mail_from as EnvelopeAddress | null
  const recipients = transaction.rcpt_to.map(addressText)
  // Where nobody reports to us it would be for nothing.
  if ((addresses.size === 0 && unsubscribeUrl === undefined) || !from?.user || recipients.length === 0) return
  const { sealer } = desk
  if (!sealer) return
  const { tenant, account, campaign, client } = label
  const origin: Origin = { tenant, account, campaign, client, sender: addressText(from), message: transaction.uuid }
  const traced = { at: Date.now(), origin, recipients }
  const trace = addresses.size > 0 && traceHeader !== undefined && writeTrace(sealer, 'trace', traced)
  if (trace) transaction.add_header(traceHeader, folded(trace))
  const link = isNewsletter(transaction, label) && writeTrace(sealer, 'unsubscribe', traced)
  if (link) addLinks(transaction, link, policy.feedback)
}

/**
 * Where a link makes sense: marketing, since nobody can be spared a receipt, and to one recipient, since it must say who
 * it is that wants no more, and all recipients get the same header. Whoever has written links of his own keeps them.
 */
function isNewsletter(transaction: Transaction, { mailClass }: Label): boolean {
  const hasOwn = transaction.header.get_all('List-Unsubscribe').length > 0
  return mailClass === 'marketing' && transaction.rcpt_to.length === 1 && !hasOwn
}

function addLinks(
  transaction: Transaction,
  link: string,
  { unsubscribeUrl, addresses }: Runtime['policy']['feedback'],
) {
  const address = [...addresses].find(([, kind]) => kind === 'unsubscribe')?.[0]
  const ways = [
    ...(unsubscribeUrl === undefined ? [] : [`<${unsubscribeUrl}${link}>`]),
    ...(address === undefined ? [] : [`<mailto:${address}?subject=unsubscribe%20${link}>`]),
  ]
  if (ways.length === 0) return
  transaction.add_header('List-Unsubscribe', ways.join(',\n\t'))
  // RFC 8058 §3.1: by HTTPS alone.
  if (unsubscribeUrl !== undefined) transaction.add_header('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click')
}

function folded(token: string): string {
  return (token.match(new RegExp(`.{1,${FOLD_AT}}`, 'g')) ?? []).join('\n\t')
}
