import { createHash } from 'node:crypto'
import type { SessionDemands } from './demands'
import type { Mx } from './types'

/**
 * Deliveries of one key may share a session: same path, same host, same source, same name, same login, same demand for TLS and its
 * version. Logins are in it as a digest only.
 */
export function sessionKey(mx: Mx, forceTls: boolean, { path, tls }: Pick<SessionDemands, 'path' | 'tls'>): string {
  const login = mx.auth_user === undefined ? '' : digest([mx.auth_user, mx.auth_pass, mx.auth_type])
  const host = mx.path ? [mx.path] : [mx.exchange, mx.port, mx.bind]
  return JSON.stringify([
    path,
    host,
    mx.bind_helo,
    mx.from_dns,
    mx.using_lmtp === true,
    login,
    forceTls,
    tls.minVersion,
  ])
}

function digest(parts: readonly (string | undefined)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}
