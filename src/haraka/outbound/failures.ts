import type { FailureKind } from '../../egress/attempt'

const KINDS: Readonly<Record<string, FailureKind>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
}

/** What an error of a socket means; one that is not known ended the connection all the same. */
export function failureOf(error: NodeJS.ErrnoException): FailureKind {
  const { code } = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error
  if (/^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code ?? '')) return 'tls'
  return KINDS[code ?? ''] ?? 'closed'
}

/** A host with several addresses fails with an error for each, and no text of its own. That of OpenSSL names its source files. */
export function textOf(error: Error & { reason?: unknown }): string {
  if (typeof error.reason === 'string') return error.reason
  if (error.message) return error.message
  return error instanceof AggregateError ? error.errors.map((one: Error) => one.message).join(', ') : error.name
}
