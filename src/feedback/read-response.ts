import { parseReply } from '../egress/smtp-reply'
import type { Response } from './response-class'

/** What reports put before an answer (RFC 3464 §2.3.6), and what programs write before it in their logs. */
const BEFORE = /^(?:smtp|x-[\w-]+)\s*;\s*/i
const QUOTED = /\b(?:said|replied|response was|responded with|answered)\s*:?\s*(?=[45]\d\d[ -])/i
/** Of qmail and others: `(#5.1.1)`, `#5.1.0`. */
const ANYWHERE = /(?:^|[\s(#:[])([245]\.\d{1,3}\.\d{1,3})(?![\d.])/

/**
 * Reads an answer as people have it: one line or several, with or without what a report or a log puts before it. The
 * enhanced code may stand anywhere in it; that of another kind than the code is not believed.
 */
export function readResponse(text: string, known: Pick<Response, 'phase' | 'provider'>): Response {
  const trimmed = text.trim().replace(BEFORE, '')
  const quoted = QUOTED.exec(trimmed)
  const answer = quoted ? trimmed.slice(quoted.index + quoted[0].length) : trimmed
  const lines = answer.split(/\r?\n/).map((line) => line.trim())
  const { code, enhanced, text: said } = parseReply(lines)
  return { code, enhanced: enhanced ?? enhancedIn(answer, code), text: said, ...known }
}

function enhancedIn(answer: string, code: number): string | undefined {
  const found = ANYWHERE.exec(answer)?.[1]
  return found !== undefined && (code === 0 || found.startsWith(String(code).slice(0, 1))) ? found : undefined
}
