import type { Origin } from '../feedback'
import { foldAddress, mayHold, recipientSet } from './recipient-set'
import type { Purpose, Sealer } from './seal'

/** What a message bears so that what is said of it can be tied to it. */
export interface Trace {
  /** Milliseconds since 1970, to the minute. */
  readonly at: number
  readonly origin: Origin
  /** How many it was sent to; 65,535 for more. */
  readonly count: number
  /** The only recipient, where there is one. */
  readonly only: string | undefined
  /** Whether it was sent there, as far as is known: see {@link recipientSet}. Never denies one. */
  wentTo(address: string): boolean
}

/** Kept for longer than this no name is: that of an account, a campaign, an address. In bytes. */
const MOST_NAME = 512
const MOST_COUNT = 0xffff
const MINUTE_MS = 60_000
/** Longer than any that we write: a set of 256 bytes, and six names. */
const MOST_TOKEN = 6000

export interface Traced {
  readonly at: number
  readonly origin: Origin
  /** Envelope addresses, not empty. */
  readonly recipients: readonly string[]
}

/** Base64url. Undefined for what cannot be told: a name that is far too long. */
export function writeTrace(sealer: Sealer, purpose: Purpose, { at, origin, recipients }: Traced): string | undefined {
  const { tenant, account, campaign, client, sender, message } = origin
  const only = recipients.length === 1 ? foldAddress(recipients[0]!) : undefined
  const names = [tenant, account, campaign, client, sender, message, only].map((name) =>
    Buffer.from(name ?? '', 'utf8'),
  )
  if (names.some(({ length }) => length > MOST_NAME)) return undefined
  const head = Buffer.alloc(6)
  head.writeUInt32BE(Math.floor(at / MINUTE_MS), 0)
  head.writeUInt16BE(Math.min(MOST_COUNT, recipients.length), 4)
  const parts = names.flatMap((name) => [lengthOf(name), name])
  const set = only === undefined ? [recipientSet(recipients)] : []
  return sealer.seal(purpose, Buffer.concat([head, ...parts, ...set])).toString('base64url')
}

/** Undefined when nobody of us has written it. White space does not matter: mail servers fold header lines anew. */
export function readTrace(sealer: Sealer, purpose: Purpose, token: string): Trace | undefined {
  if (token.length > MOST_TOKEN) return undefined
  const plain = token.replace(/\s+/g, '')
  const sealed = Buffer.from(plain, 'base64url')
  // Decoding passes over what is not of the alphabet, and over bits too many.
  if (sealed.toString('base64url') !== plain) return undefined
  const text = sealer.open(purpose, sealed)
  return text && parse(text)
}

function parse(text: Buffer): Trace {
  const names: (string | undefined)[] = []
  let offset = 6
  for (let index = 0; index < 7; index++) {
    const length = text.readUInt16BE(offset)
    const name = text.toString('utf8', offset + 2, offset + 2 + length)
    names.push(name === '' ? undefined : name)
    offset += 2 + length
  }
  const [tenant, account, campaign, client, sender, message, only] = names
  const set = text.subarray(offset)
  return {
    at: text.readUInt32BE(0) * MINUTE_MS,
    count: text.readUInt16BE(4),
    origin: { tenant, account, campaign, client, sender: sender ?? '', message: message ?? '' },
    only,
    wentTo: (address) => (only === undefined ? mayHold(set, address) : foldAddress(address) === only),
  }
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return length
}
