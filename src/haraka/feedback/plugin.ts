import path from 'node:path'
import type { ReportAddress } from '../../feedback/feedback-policy'
import { MOST_BYTES } from '../../feedback/reports/mime'
import type { Answer, HookBody } from '../guard'
import { type SluicePlugin, sluicePlugin } from '../plugin'
import { smtpReply } from '../reply'
import type { Runtime } from '../runtime'
import { addressText } from '../subject'
import { type Connection, DENYSOFT, type EnvelopeAddress, type HarakaPlugin, OK } from '../types'
import { collectMessage } from './collect'
import { ReaderBusy } from './desk'
import { keepUnread } from './keep'

/** Asked before all others, wherever it is listed: limits and greylisting are not for those who report to us. */
const FIRST = -100

/** Plugin feedback: mail to the addresses for reports is read, and goes no further. */
export function feedbackPlugin(
  name: string,
): Pick<SluicePlugin, 'register' | 'shutdown' | 'hook_init_master' | 'hook_init_child'> {
  const plugin = sluicePlugin(name)
  const accept: HookBody<Runtime> = (runtime, _connection, params) => {
    // hook_rcpt passes a list, hook_rcpt_ok the address itself.
    const [recipient] = [params].flat() as [EnvelopeAddress]
    return kindOf(runtime, recipient) === undefined ? undefined : { code: OK }
  }
  return {
    ...plugin,
    register(this: HarakaPlugin) {
      plugin.register.call(this)
      const me = this.config.get('me')
      const host = typeof me === 'string' ? me.toLowerCase() : ''
      this.accept_report = plugin.hook('rcpt', accept)
      this.spare_report = plugin.hook('rcpt_ok', accept)
      this.read_report = plugin.hook('queue', (runtime, connection) => readMessage(runtime, connection, host))
      this.register_hook('rcpt', 'accept_report', FIRST)
      this.register_hook('rcpt_ok', 'spare_report', FIRST)
      this.register_hook('queue', 'read_report', FIRST)
      this.register_hook('queue_outbound', 'read_report', FIRST)
    },
  }
}

/** `bounces+anything@` comes to `bounces@`. */
function kindOf({ policy }: Runtime, recipient: EnvelopeAddress): ReportAddress | undefined {
  const { addresses } = policy.feedback
  if (addresses.size === 0) return undefined
  const address = addressText(recipient).toLowerCase()
  return addresses.get(address) ?? addresses.get(address.replace(/^([^@+]+)\+[^@]*@/, '$1@'))
}

const BUSY: Answer = { code: DENYSOFT, message: smtpReply(451, '4.3.2 Too many reports at a time, try again later') }

async function readMessage(runtime: Runtime, connection: Connection, host: string): Promise<Answer> {
  const { transaction } = connection
  const kinds = transaction?.rcpt_to.map((recipient) => kindOf(runtime, recipient)) ?? []
  const address = kinds.find((kind) => kind !== undefined)
  if (!transaction || address === undefined) return undefined
  const { feedback, egress } = runtime.policy
  const message = await collectMessage(transaction, MOST_BYTES)
  const envelope = {
    sender: transaction.mail_from.user ? addressText(transaction.mail_from) : '',
    address,
    traceHeader: feedback.traceHeader ?? '',
    ownHosts: [host, ...[...egress.sources.values()].flatMap(({ helo }) => helo?.toLowerCase() ?? [])],
  }
  try {
    const taken = await runtime.desk.take(message, envelope, connection.remote.ip)
    if ((taken === 'unreadable' || taken === 'other') && feedback.keep !== undefined) {
      await keepUnread(path.resolve(runtime.home, feedback.keep), message)
    }
  } catch (error) {
    // Its sender keeps it, and comes again: nothing is lost.
    if (error instanceof ReaderBusy) return BUSY
    connection.logerror(`feedback: ${String(error)}; the client was told to come back`)
    return { code: DENYSOFT, message: smtpReply(451, '4.3.0 Cannot keep the message just now, try again later') }
  }
  // Others may be people.
  transaction.rcpt_to = transaction.rcpt_to.filter((_, index) => kinds[index] === undefined)
  return transaction.rcpt_to.length > 0 ? undefined : { code: OK, message: 'Report read' }
}
