/** Types of record that are asked for. */
export type AskedType = 'A' | 'AAAA' | 'MX' | 'PTR' | 'TXT' | 'SOA'

/**
 * Why nothing is known. `busy` and `closed` are our own state, `bad_name` is no question at all; the others are the
 * state of the servers that were asked.
 */
export type FailureReason =
  'timeout' | 'servfail' | 'refused' | 'malformed' | 'unreachable' | 'busy' | 'bad_name' | 'closed' | 'other'

/** Whether the servers that were asked are to blame. */
export function isTheirs(reason: FailureReason): boolean {
  return reason !== 'busy' && reason !== 'closed' && reason !== 'bad_name'
}

const REASONS: Readonly<Record<string, FailureReason>> = {
  ETIMEOUT: 'timeout',
  ESERVFAIL: 'servfail',
  ENOTIMP: 'servfail',
  EREFUSED: 'refused',
  EBADRESP: 'malformed',
  EFORMERR: 'malformed',
  ECONNREFUSED: 'unreachable',
  EBADNAME: 'bad_name',
  EBADQUERY: 'bad_name',
}

/** Reads the codes of node:dns. */
export function reasonOf(code: string | undefined): FailureReason {
  return REASONS[code ?? ''] ?? 'other'
}

/**
 * Whether a name can be asked for: letters, digits, dashes and underscores in labels of at most 63, at most 253 in all
 * (RFC 1035 §2.3.4). Names come from clients, and a resolver reads escapes in others.
 */
export function isAskable(name: string): boolean {
  return name.length <= 253 && /^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/i.test(name)
}
