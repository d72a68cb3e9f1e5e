/**
 * Keeps mail for the local domains (config/host_list) as files that one can open. See README.md beside this.
 */
import path from 'node:path'
import {
  type Answer,
  type Connection,
  DENYSOFT,
  type EnvelopeAddress,
  type HarakaPlugin,
  OK,
  type Runtime,
  keepMessage,
  sluicePlugin,
  smtpReply,
} from '../../src/haraka'

const plugin = sluicePlugin('maildrop')
export const { shutdown, hook_init_master, hook_init_child } = plugin

let localDomains: ReadonlySet<string> = new Set()

export function register(this: HarakaPlugin): void {
  plugin.register.call(this)
  const read = () => {
    const domains = this.config.get('host_list', 'list', read) as string[]
    localDomains = new Set(domains.map((domain) => domain.toLowerCase()))
  }
  read()
}

export const hook_queue = plugin.hook('queue', (runtime, connection) => {
  const recipients = connection.transaction?.rcpt_to ?? []
  return keep(runtime, connection, recipients, () => ({ code: OK, message: 'Message kept' }))
})

/** Our own users write to local people too: those copies are kept here, the rest goes on to the outbound queue. */
export const hook_queue_outbound = plugin.hook('queue_outbound', (runtime, connection) => {
  const { transaction } = connection
  const local = transaction?.rcpt_to.filter(({ host }) => localDomains.has(host ?? '')) ?? []
  if (!transaction || local.length === 0) return undefined
  return keep(runtime, connection, local, () => {
    transaction.rcpt_to = transaction.rcpt_to.filter((recipient) => !local.includes(recipient))
    return transaction.rcpt_to.length > 0 ? undefined : { code: OK, message: 'Message kept' }
  })
})

async function keep(
  runtime: Runtime,
  connection: Connection,
  recipients: readonly EnvelopeAddress[],
  done: () => Answer,
): Promise<Answer> {
  try {
    const folder = path.resolve(runtime.home, runtime.policy.config.maildrop.path)
    await keepMessage(folder, connection.transaction!, recipients)
    return done()
  } catch (error) {
    // Saying anything but "later" here could lose the message.
    connection.logerror(`maildrop: ${String(error)}; the client was told to come back`)
    return { code: DENYSOFT, message: smtpReply(451, '4.3.0 Cannot keep the message just now, try again later') }
  }
}
