import { StoreError } from '../store'

/** What an operator can do about an error answer, by its first word. */
const MENDING: Readonly<Record<string, string>> = {
  NOAUTH: 'put the password into the URL',
  WRONGPASS: 'correct the user and password in the URL',
  NOPERM:
    'ACL SETUSER … ~{sluice}:* &{sluice}:* +@read +@write +@scripting +@pubsub +@connection +info +time, with your prefix',
  READONLY: 'point the URL at the primary, or use redis+sentinel://',
  OOM: 'raise maxmemory, or set maxmemory-policy volatile-ttl',
  LOADING: 'none needed: it is usable once its data is loaded',
  MISCONF: 'look into its log: it cannot write its snapshot to disk',
  BUSY: 'somebody runs a long script on it; see SCRIPT KILL',
  MASTERDOWN: 'look after its primary',
  CLUSTERDOWN: 'look after the cluster: slots are not served',
  NOREPLICAS: 'look after its replicas, or lower min-replicas-to-write',
  DENIED: 'it is in protected mode: give it a password, or bind it to a private address',
  ERR: 'check that it is Redis 6.2 or later, or Valkey',
}

/** Whether the server answered that it does not know the script. */
export function isMissingScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** Whether the server answered that it is a read-only replica, so that another connection may find the primary. */
export function isReadOnly(error: Error): boolean {
  return error.message.startsWith('READONLY')
}

/**
 * Makes a {@link StoreError} of what the driver's error said. The error itself is not kept as a cause: it carries the
 * arguments of its command, which for AUTH are the password.
 *
 * @param own the text of the error, without secrets
 * @param where the redacted address
 * @param lastTrouble the latest trouble of the connection, which says more than "connection is closed"
 * @param hasPassword whether the URL names a password
 */
export function toStoreError(own: string, where: string, lastTrouble?: string, hasPassword = false): StoreError {
  const ours = saysOnlyClosed(own) ? 'there is no connection' : own
  const text = errorWord(own) === undefined ? (lastTrouble ?? ours) : own
  const word = errorWord(text)
  if (word !== undefined) {
    // Redis refuses a wrong password once, and from then on only says that there was none.
    const mending = MENDING[word === 'NOAUTH' && hasPassword ? 'WRONGPASS' : word] ?? 'look into its log'
    return new StoreError('STORE_REFUSED', `Redis at ${where} refused: ${text}. To mend it: ${mending}`)
  }
  return new StoreError(
    'STORE_UNREACHABLE',
    `Redis at ${where} cannot be reached: ${text}. To mend it: see that the server runs and the URL is right`,
  )
}

/** What an error says; some errors of Node and of the driver are empty themselves and wrap those that say it. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(textOf).join('; ')
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return textOf(error.lastNodeError)
  return (error.message === '' ? error.name : error.message).replace(/\.$/, '')
}

/** Whether a text says no more than that there is no connection, so that what was said before tells more. */
export function saysOnlyClosed(text: string): boolean {
  return /^(?:Connection is closed|Stream isn't writeable)/.test(text)
}

/** The first word of an error answer of the server; undefined for an error of the connection. */
function errorWord(text: string): string | undefined {
  const word = /^(?:Ready check failed: )?([A-Z]{2,})\b/.exec(text)?.[1]
  // Codes of the operating system and of TLS look alike: ECONNREFUSED, ERR_TLS_….
  return word === undefined || /^E(?!RR$|XECABORT$)/.test(word) ? undefined : word
}

/** For a call whose answer did not come in time. */
export function timeoutError(where: string, timeoutMs: number): StoreError {
  return new StoreError(
    'STORE_TIMEOUT',
    `Redis at ${where} did not answer within ${timeoutMs} ms. To mend it: see its load (redis-cli --latency, SLOWLOG)`,
  )
}
