import type { Connection } from './types'

const MOST_ACCOUNT = 200

/**
 * The account that an AUTH command, or a line of its dialogue, tries (RFC 4954): undefined where it does not name one yet.
 * In lower case, as accounts are told apart nowhere that matters.
 */
export function triedAccount(connection: Connection, params: readonly string[]): string | undefined {
  const { authenticating, auth_method: method, auth_login_userlogin: login } = connection.notes
  const [command, ...rest] = params
  if (command?.toUpperCase() === 'AUTH') {
    const [mechanism, initial] = rest.join(' ').split(/\s+/)
    return mechanism?.toUpperCase() === 'PLAIN' && initial ? plainAccount(initial) : undefined
  }
  if (!authenticating || command === undefined) return undefined
  if (method === 'PLAIN') return plainAccount(command)
  if (method === 'LOGIN') return typeof login === 'string' ? clean(login) : undefined
  return method === 'CRAM-MD5' ? clean(decoded(command).split(' ')[0]!) : undefined
}

/** `authorisation NUL account NUL password` (RFC 4616). */
function plainAccount(text: string): string | undefined {
  return clean(decoded(text).split('\0')[1] ?? '')
}

function decoded(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8')
}

function clean(account: string): string | undefined {
  const text = account.trim().toLowerCase().slice(0, MOST_ACCOUNT)
  return text === '' ? undefined : text
}
