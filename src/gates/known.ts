import type { Subject } from '../policy/subject'

/** Why somebody is no stranger, in the words of an exemption; undefined for a stranger. */
export function knownBecause({ client, direction, account }: Subject): string | undefined {
  if (client.trusted) return 'trusted network'
  if (account !== undefined) return 'authenticated'
  return direction === 'submission' ? 'may relay' : undefined
}
