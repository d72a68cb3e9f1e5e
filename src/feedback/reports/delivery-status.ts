import { type Field, addressIn, fieldOf, readBlocks } from './fields'
import { type BounceAction, type BouncedRecipient, MOST_RECIPIENTS } from './report'

export interface DeliveryStatus {
  readonly reporter: string | undefined
  readonly recipients: readonly BouncedRecipient[]
}

const MOST_TEXT = 2000

/**
 * Reads the fields of a delivery status notification (RFC 3464 §2). Some servers leave out the blank line between two
 * recipients, or the first block: a recipient begins where one is named that has been named already.
 */
export function readDeliveryStatus(content: Buffer): DeliveryStatus {
  const blocks = readBlocks(content.toString('utf8'), MOST_RECIPIENTS + 10)
  let reporter: string | undefined
  const recipients: BouncedRecipient[] = []
  for (const block of blocks) {
    reporter ??= nameIn(fieldOf(block, 'reporting-mta'))
    for (const fields of splitRecipients(block)) {
      const recipient = readRecipient(fields)
      if (recipient) recipients.push(recipient)
      if (recipients.length >= MOST_RECIPIENTS) return { reporter, recipients }
    }
  }
  return { reporter, recipients }
}

function splitRecipients(block: readonly Field[]): Field[][] {
  const groups: Field[][] = [[]]
  let hasFinal = false
  for (const field of block) {
    const isFinal = field.name === 'final-recipient'
    if (isFinal && hasFinal) groups.push([])
    hasFinal ||= isFinal
    groups.at(-1)!.push(field)
  }
  return groups
}

function readRecipient(fields: readonly Field[]): BouncedRecipient | undefined {
  const address = (name: string) => {
    const value = fieldOf(fields, name)
    return value === undefined ? undefined : addressIn(value)
  }
  const original = address('original-recipient')
  const final = address('final-recipient') ?? address('x-actual-recipient')
  const status = fieldOf(fields, 'status') ?? ''
  const action = actionOf(fieldOf(fields, 'action'), status)
  if (action === undefined) return undefined
  const diagnostic = fieldOf(fields, 'diagnostic-code') ?? commentIn(status)
  return {
    original,
    final,
    action,
    status: /\b([245]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(status.slice(0, 100))?.[1],
    diagnostic: diagnostic.slice(0, MOST_TEXT),
    remote: nameIn(fieldOf(fields, 'remote-mta')),
  }
}

/** Some leave the action out, or write more into it: then the status says. */
function actionOf(said: string | undefined, status: string): BounceAction | undefined {
  const word = /^[a-z]+/i.exec(said ?? '')?.[0].toLowerCase()
  if (word === 'failed' || word === 'delayed') return word
  if (word === 'delivered' || word === 'relayed' || word === 'expanded') return 'delivered'
  switch (status.trim().slice(0, 1)) {
    case '5':
      return 'failed'
    case '4':
      return 'delayed'
    case '2':
      return 'delivered'
    default:
      return undefined
  }
}

/** `5.1.1 (550 no such user)`. */
function commentIn(status: string): string {
  const begin = status.indexOf('(')
  const end = status.lastIndexOf(')')
  return begin >= 0 && end > begin ? status.slice(begin + 1, end) : ''
}

/** `dns; mx.example.com (192.0.2.1)`. */
function nameIn(value: string | undefined): string | undefined {
  return /^\s*(?:[A-Za-z0-9-]+\s*;)?\s*\[?([A-Za-z0-9._:-]{1,255})/
    .exec((value ?? '').slice(0, 600))?.[1]
    ?.toLowerCase()
    .replace(/\.$/, '')
}
