/** How hosts are named in any file, and what an operator may call things. */
import { domainToASCII } from 'node:url'
import { isAskable } from '../dns/question'
import type { Read } from './units'

/** What an operator may call a provider, a source, a pool. */
export const NAME = /^[a-z][a-z0-9_-]{0,39}$/
export const NAME_HELP = 'a name is lower case letters, digits, _ and -, at most 40'

/** A name of a host or domain, as names are compared. */
export function readHost(text: string): Read<string> {
  const ascii = (/[^\x20-\x7e]/.test(text) ? domainToASCII(text) : text).toLowerCase()
  if (/^\*?\./.test(text)) {
    return {
      problem: `"${text}" begins with a dot or *: write ${ascii.replace(/^\*?\.+/, '')}, whole labels match anyway`,
    }
  }
  if (text.endsWith('.')) return { problem: `"${text}" ends with a dot: write ${ascii.replace(/\.+$/, '')}` }
  if (!isAskable(ascii)) return { problem: `"${text}" is no name of a host` }
  if (/(^|\.)\d+$/.test(ascii)) return { problem: `"${text}" is an address: an MX record names a host` }
  return { value: ascii }
}
