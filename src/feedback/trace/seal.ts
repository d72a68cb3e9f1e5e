import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** What a seal is for: one made for something else does not open. */
export type Purpose = 'trace' | 'unsubscribe'
const PURPOSES: readonly Purpose[] = ['trace', 'unsubscribe']

/** First byte of all that is sealed: a release that writes otherwise writes another one. */
const VERSION = 1
const TAG_BYTES = 16
/** Version, key number, tag. */
const HEAD_BYTES = 2 + TAG_BYTES
export const LEAST_KEY_BYTES = 32

interface Key {
  /** Says which key to try; tells nothing about it. */
  readonly number: number
  readonly mac: Readonly<Record<Purpose, Buffer>>
  readonly cipher: Readonly<Record<Purpose, Buffer>>
}

/**
 * Seals what goes out with our mail and comes back with what is said of it: nobody else can make one, change one or read
 * one. A synthetic IV (as in RFC 5297): the HMAC-SHA256 of the text, cut to 16 bytes, is the tag and the IV of AES-256-CTR.
 * So the same text gives the same seal, no random number can repeat, and it is as short as a signature alone.
 */
export class Sealer {
  private readonly keys: readonly Key[]

  /** The first secret seals, all open. Throws a RangeError when there is none, or one is too short. */
  constructor(secrets: readonly Buffer[]) {
    if (secrets.length === 0 || secrets.some(({ length }) => length < LEAST_KEY_BYTES)) {
      throw new RangeError(`a key has at least ${LEAST_KEY_BYTES} bytes`)
    }
    this.keys = secrets.map(keyOf)
  }

  seal(purpose: Purpose, text: Buffer): Buffer {
    const key = this.keys[0]!
    const tag = tagOf(key, purpose, text)
    const cipher = createCipheriv('aes-256-ctr', key.cipher[purpose], tag)
    return Buffer.concat([Buffer.of(VERSION, key.number), tag, cipher.update(text), cipher.final()])
  }

  /** Undefined for what was not sealed by one of the keys, for this purpose. */
  open(purpose: Purpose, sealed: Buffer): Buffer | undefined {
    if (sealed.length < HEAD_BYTES || sealed[0] !== VERSION) return undefined
    const tag = sealed.subarray(2, HEAD_BYTES)
    // Numbers of two keys may be the same.
    for (const key of this.keys) {
      if (key.number !== sealed[1]) continue
      const decipher = createDecipheriv('aes-256-ctr', key.cipher[purpose], tag)
      const text = Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES)), decipher.final()])
      if (timingSafeEqual(tagOf(key, purpose, text), tag)) return text
    }
    return undefined
  }
}

function keyOf(secret: Buffer): Key {
  const derive = (use: string) =>
    Object.fromEntries(
      PURPOSES.map((purpose) => [purpose, Buffer.from(hkdfSync('sha256', secret, '', `sluice ${use} ${purpose}`, 32))]),
    ) as unknown as Record<Purpose, Buffer>
  const number = createHash('sha256').update('sluice key number').update(secret).digest()[0]!
  return { number, mac: derive('mac'), cipher: derive('cipher') }
}

function tagOf(key: Key, purpose: Purpose, text: Buffer): Buffer {
  return createHmac('sha256', key.mac[purpose]).update(Buffer.of(VERSION)).update(text).digest().subarray(0, TAG_BYTES)
}
