/** Something that speaks for or against a client or its message. */
export interface Signal {
  /** Who says it: `dnsbl`, `rdns`, `reputation`, `spf`, `session`. */
  readonly source: string
  /** What, as one token without white space: a zone, `no_ptr`, `spf_fail`. */
  readonly name: string
  /** Points; above 0 it speaks against the client, below for it. */
  readonly weight: number
}

/** All signals of a subject, added up. */
export interface Score {
  readonly total: number
  readonly parts: readonly Signal[]
}

/** Rounded to hundredths, so that 0.1 + 0.2 is 0.3 in a log and against a threshold. */
export function addUp(parts: readonly Signal[]): Score {
  let total = 0
  for (const { weight } of parts) total += weight
  return { total: Math.round(total * 100) / 100, parts }
}

/** The signals of one source. */
export function signalsOf(parts: readonly Signal[], source: string): Signal[] {
  return parts.filter((part) => part.source === source)
}
