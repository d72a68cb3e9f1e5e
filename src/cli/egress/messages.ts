import type { LoadedPolicy } from '../../config/load'
import type { ErrandTarget } from '../../egress/errand'
import { readName } from '../../egress/queue-file'
import { CliError } from '../terminal'
import { readDomain } from './destination'
import { readTarget } from './target'

/** Messages that a person means. */
export type MessageTarget = ErrandTarget | { readonly address: string }

/** `1785849725000_aBcDeF`, by which logs name a message. */
const ID = /^\d{13}_[A-Za-z0-9]+$/

/**
 * A message by the name of its queue file, in whatever state, or by what logs call it; a path or pattern; an address; else a
 * recipient domain, whatever path its mail takes. Rejects with a {@link CliError}.
 */
export async function readMessages(text: string, config: LoadedPolicy): Promise<MessageTarget> {
  const name = text.slice(text.lastIndexOf('/') + 1)
  const file = ID.test(name) ? name : readName(name)?.id
  if (file !== undefined) return { file }
  if (/[|+/]/.test(text) || text === '*' || config.egress.providers.has(text)) {
    return { path: await readTarget(text, config) }
  }
  if (text.includes('@') && !text.startsWith('@')) return { address: text.replace(/^<(.*)>$/, '$1').toLowerCase() }
  if (!text.includes('.')) return { path: await readTarget(text, config) }
  return { domain: readDomain(text) }
}

/** The same for what whole servers are to do. */
export async function readErrandTarget(text: string, config: LoadedPolicy): Promise<ErrandTarget> {
  const target = await readMessages(text, config)
  if (!('address' in target)) return target
  throw new CliError(`${text} is an address: give a domain, a path, or the messages that sluice egress queue lists`, 2)
}

export const MESSAGES_HELP = 'a provider or path, a recipient domain, or the name of a queue file or message'
