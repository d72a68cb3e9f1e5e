import { type Field, addressIn, fieldsOf, isAddress } from './fields'
import { type BounceAction, type BouncedRecipient, MOST_RECIPIENTS } from './report'

/** A bounce in the words of a server that writes none by RFC 3464, or that a gateway has taken apart. */
export interface OldBounce {
  readonly form: string
  readonly recipients: readonly BouncedRecipient[]
}

/** How servers begin, in lower case, white space as one blank. The first that fits names the form. */
const OPENINGS: readonly (readonly [form: string, says: readonly string[]])[] = [
  ['qmail', ['this is the qmail-send program', "i wasn't able to deliver your message to the following addresses"]],
  ['exim', ['this message was created automatically by mail delivery software', 'a message that you sent']],
  ['yahoo', ['sorry, we were unable to deliver your message', "we're sorry. we were unable to deliver your message"]],
  ['postfix', ['this is the postfix program', 'this is the mail system at host']],
  [
    'sendmail',
    [
      'the following addresses had permanent',
      'the following addresses had transient',
      'the original message was received at',
    ],
  ],
  [
    'exchange',
    [
      'your message did not reach some or all of the intended recipients',
      'delivery has failed to these recipients',
      'the following recipient(s) could not be reached',
      'the following recipient(s) cannot be reached',
    ],
  ],
  ['lotus', ['was not delivered to:', 'not listed in domino directory', 'not listed in public name & address book']],
  ['courier', ['this is a delivery status notification from', 'undeliverable mail', 'unable to deliver']],
  ['gmail', ["your message wasn't delivered to", 'delivery to the following recipient failed']],
]
const GENERAL = [
  'could not be delivered',
  'delivery failed',
  'delivery failure',
  'delivery failed permanently',
  'undeliverable',
  'undelivered',
  'returned mail',
  'failure notice',
  'mail delivery failed',
  'user unknown',
  'mailbox unavailable',
]
/** It is told of a delay only. */
const DELAYS = [
  'this is a warning message only',
  'you do not need to resend your message',
  'has not yet been delivered',
  'will be retried',
  'delivery delayed',
  'message delayed',
]
const MOST_OPENING = 4000
const MOST_LINES = 2000
const MOST_LINE = 500
const MOST_SAID = 1000

/** Undefined when nothing in it sounds like a bounce. `words` are those before the copy of the message. */
export function readOldBounce(words: string, header: readonly Field[], subject: string): OldBounce | undefined {
  const opening = plain(`${subject} ${words.slice(0, MOST_OPENING)}`)
  const says = (texts: readonly string[]) => texts.some((text) => opening.includes(text))
  const form = OPENINGS.find(([, texts]) => says(texts))?.[0] ?? (says(GENERAL) ? 'text' : undefined)
  const failed = fieldsOf(header, 'x-failed-recipients', 100).flatMap((value) => value.split(','))
  if (form === undefined && failed.length === 0) return undefined
  const action: BounceAction = says(DELAYS) ? 'delayed' : 'failed'
  const said = answersIn(words)
  for (const text of failed) {
    const address = addressIn(text)
    if (address !== undefined && !said.has(address)) said.set(address, '')
  }
  // Whom it is about may stand nowhere: a message to one recipient can still be told by its trace.
  const named = said.size > 0 ? [...said] : [[undefined, answerOf(words.split('\n').slice(0, MOST_LINES))] as const]
  const recipients = named.slice(0, MOST_RECIPIENTS).map(([final, diagnostic]): BouncedRecipient => {
    return { original: undefined, final, action, status: statusIn(diagnostic), diagnostic, remote: undefined }
  })
  return { form: form ?? 'exim', recipients }
}

/** Addresses that begin a line, each with what is said of it: the lines down to the next one, or to a paragraph of something else. */
function answersIn(words: string): Map<string, string> {
  const found = new Map<string, string>()
  let address: string | undefined
  let lines: string[] = []
  const close = () => {
    if (address !== undefined && found.size < MOST_RECIPIENTS) {
      const answer = answerOf(lines)
      const before = found.get(address)
      if (before === undefined || before === '') found.set(address, answer)
    }
  }
  for (const raw of words.split('\n', MOST_LINES)) {
    const line = raw.slice(0, MOST_LINE).trimEnd()
    const [named, rest] = recipientIn(line) ?? []
    if (named !== undefined && !/^\s*(?:from|to|cc|sent|subject|reply-to|sender):/i.test(line)) {
      close()
      address = named
      lines = [rest!]
    } else lines.push(line)
  }
  close()
  return found
}

/** `<bob@example.com>: said …`, `  bob@example.com`, `bob@example.com on 1/2/2026 3:04 PM`. */
function recipientIn(line: string): [string, string] | undefined {
  const match = /^\s*(?:<([^<>\s]{3,320})>|([^\s<>():;,"]{3,320}))(?:[.:]?(?=\s|$))(.*)$/.exec(line)
  const address = match?.[1] ?? match?.[2]?.replace(/[.]$/, '')
  return address !== undefined && isAddress(address) ? [address.toLowerCase(), match![3]!] : undefined
}

/** What a server has answered, where it is quoted; else all there is, until two blank lines or so. */
function answerOf(lines: readonly string[]): string {
  const words = lines.map((line) => line.trim().replace(/^([45]\d\d): /, '$1 '))
  const first = words.findIndex((line) => ANSWER.test(line) || /(?:said|response was|error was):/i.test(line))
  if (first >= 0) {
    const end = words.findIndex((line, index) => index > first && line === '')
    return words
      .slice(first, end < 0 ? first + 5 : Math.min(end, first + 5))
      .join(' ')
      .slice(0, MOST_SAID)
  }
  const begin = words.findIndex((line) => line !== '')
  if (begin < 0) return ''
  const end = words.findIndex((line, index) => index > begin && line === '')
  return words
    .slice(begin, end < 0 ? undefined : end)
    .join(' ')
    .slice(0, MOST_SAID)
}

const ANSWER = /(?:^|[\s:#(<])[45]\d\d[ -]|[\s#(]?[45]\.\d{1,3}\.\d{1,3}\b/

function statusIn(answer: string): string | undefined {
  return /(?:^|[\s#(:])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(answer)?.[1]
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[’]/g, "'").replace(/\s+/g, ' ')
}
