import type { AttemptPhase } from '../policy/attempt-phase'
import { parseReply } from '../egress/smtp-reply'
import type { Response } from './response-class'

/** What reports put before an answer (RFC 3464 §2.3.6): `smtp; `, `X-Postfix; `. */
const BEFORE = /^(?:smtp|lmtp|dns|x-[\w-]{1,40})\s*;\s*/i
/** An answer, or only its enhanced code. */
const STARTS = /^(?:[2-5]\d\d(?:[ -]|$)|#?[245]\.\d{1,3}\.\d{1,3}(?![\d.]))/
/**
 * Where an answer begins in what another program has written of it: `said: 550`, `error 550-`, `<<< 550`,
 * `returned '550`, `host mx.example.com [192.0.2.1]: 550`, `<mx.example.com #5.1.1 smtp;550`.
 */
const QUOTED =
  /(?:\b(?:said|replied|was|with|returned|answered|error|code|response)\s|<<<\s?|[:;,'"(#>]\s?)\s?(?=[45]\d\d(?:[ -](?!\d{2})|$))/i
/** Of Exchange: `#< #5.7.1 smtp;…>`. */
const NUMBERED = /#\s?(?=[45]\.\d{1,3}\.\d{1,3}\s)/
/** What Postfix and others write behind it. */
const BEHIND = /\s?\((?:in reply to|delivery attempts)|\s?#SMTP#|\s?##$|\r?\nGiving up on/i
/** Of qmail and others: `(#5.1.1)`, `#5.1.0`. */
const ANYWHERE = /(?:^|[\s(#:['"])([245]\.\d{1,3}\.\d{1,3})(?![\d.])/

/** What it was said to, in the words of Postfix, Exim and sendmail. */
const PHASES: readonly (readonly [RegExp, AttemptPhase])[] = [
  [/in reply to rcpt to|after rcpt to|does not like recipient|>>> rcpt to/i, 'rcpt'],
  [/in reply to end of data|after end of data|failed after i sent the message/i, 'dot'],
  [/in reply to mail from|after mail from|but sender was rejected|>>> mail from/i, 'mail'],
  [/in reply to data|after data:|>>> data/i, 'data'],
  [/refused to talk to me|after initial connection|but greeting failed/i, 'greeting'],
  [/in reply to (?:ehlo|helo)|after (?:ehlo|helo)/i, 'hello'],
]

/**
 * Reads an answer as people have it: one line or several, with or without what a report or a log puts before and behind
 * it. The enhanced code may stand anywhere in it; that of another kind than the code is not believed. The phase is read
 * from the frame where it is not known.
 */
export function readResponse(text: string, known: Pick<Response, 'phase' | 'provider'>): Response {
  const framed = text.trim().replace(BEFORE, '')
  const answer = withoutFrame(framed.slice(startOf(framed)))
  const lines = answer.split(/\r?\n/).map((line) => line.trim())
  const { code, enhanced, text: said } = parseReply(linesOfAnswer(lines))
  return {
    code,
    enhanced: enhanced ?? enhancedIn(answer, code),
    text: withoutCode(said, code, enhanced),
    phase: known.phase ?? PHASES.find(([words]) => words.test(text))?.[1],
    provider: known.provider,
  }
}

function startOf(framed: string): number {
  if (/^[2-5]\d\d(?:[ -]|$)/.test(framed)) return 0
  for (const frame of [QUOTED, NUMBERED]) {
    const found = frame.exec(framed)
    if (found) return found.index + found[0].length
    if (STARTS.test(framed)) return 0
  }
  return 0
}

function withoutFrame(answer: string): string {
  const behind = answer.search(BEHIND)
  const said = behind > 0 ? answer.slice(0, behind) : answer
  const opens = said.includes('<') ? '' : '>'
  let end = said.length
  while (end > 0 && `'"${opens}`.includes(said[end - 1]!)) end--
  return said.slice(0, end)
}

/** In a transcript of sendmail what the server said ends where the next command begins. */
function linesOfAnswer(lines: readonly string[]): string[] {
  const command = lines.findIndex((line) => line.startsWith('>>>'))
  return (command > 0 ? lines.slice(0, command) : lines).map((line) => line.replace(/^<<<\s?/, ''))
}

function enhancedIn(answer: string, code: number): string | undefined {
  const found = ANYWHERE.exec(answer)?.[1]
  return found !== undefined && (code === 0 || found.startsWith(String(code).slice(0, 1))) ? found : undefined
}

/** Logs write an answer of several lines as one: `550-5.1.1 There is 550 5.1.1 nobody`. */
function withoutCode(said: string, code: number, enhanced: string | undefined): string {
  if (code === 0 || !said.includes(`${code}`)) return said
  const words = said.split(' ')
  const isCode = (word: string) => word === `${code}` || word === `${code}-${enhanced}`
  return words
    .filter((word, index) => {
      if (isCode(word)) return false
      return !(word === enhanced && isCode(words[index - 1] ?? ''))
    })
    .map((word) => (word.startsWith(`${code}-`) ? word.slice(4) : word))
    .join(' ')
}
