import { cleanReason } from '../policy/ban'
import { newReference } from '../policy/reference'
import { type BoardEntry, MAX_KEY_LENGTH } from '../store/store'
import { isProcessName } from './path-load'
import { concerns } from './steering-action'
import { isAmount, isObject, readObject } from './untrusted'

/**
 * `count`: say what there is. `flush`: try now what is put off. `bounce`: end what waits or is put off, with a report to
 * its sender.
 */
export const ERRAND_KINDS = ['count', 'flush', 'bounce'] as const
export type ErrandKind = (typeof ERRAND_KINDS)[number]

/** Which messages are meant. */
export type ErrandTarget =
  /** A path, or a pattern: `egress|default|*`. */
  | { readonly path: string }
  /** A recipient domain, in lower case. */
  | { readonly domain: string }
  /** A message, by `messageId`. */
  | { readonly file: string }

/** Something that each process which delivers is to do once, with the messages that it has. */
export interface Errand {
  readonly id: string
  readonly kind: ErrandKind
  readonly target: ErrandTarget
  /** For the senders, and the log; one line. */
  readonly reason: string
  /** Of the messages that it concerns, each process touches so many. */
  readonly most: number
}

/** What a process has done of an errand, or found. In messages. */
export interface ErrandAnswer {
  readonly process: string
  /** Flushed or bounced. */
  readonly done: number
  /** Left where they wait for their path: they are due, and go when it has room. */
  readonly waiting: number
  /** Left alone, since they are being delivered. */
  readonly underWay: number
  /** Left put off. */
  readonly putOff: number
  /** Could not be ended: they are tried again. */
  readonly failed: number
  /** Put off, and not looked at: {@link MOST_LOOKED_AT}. */
  readonly unseen: number
  /** There is no more to come. */
  readonly isOver: boolean
}

export const ERRAND_PREFIX = 'egress_errand|'
/** Who has not heard of it by then does nothing. */
export const ERRAND_TTL_MS = 60_000
/** Of the messages that a process has put off before its last start, so many files are looked into. */
export const MOST_LOOKED_AT = 20_000
const MOST_REASON = 300
const ID = /^[0-9A-Z]{4,12}$/
const DOMAIN = /^[^\s\p{C}|]{1,255}$/u
const FILE = /^[A-Za-z0-9_.\\-]{1,255}$/
const PRINTABLE = new RegExp(`^[\\x21-\\x7e]{1,${MAX_KEY_LENGTH}}$`)

export function newErrand(errand: Omit<Errand, 'id'>): Errand {
  return { ...errand, id: newReference(), reason: cleanReason(errand.reason, MOST_REASON) }
}

export function errandEntry({ id, ...rest }: Errand, now: number): BoardEntry {
  return { key: ERRAND_PREFIX + id, text: JSON.stringify(rest), expiresAt: now + ERRAND_TTL_MS }
}

/** Undefined for an entry that is none, or that a newer release has written in another way. */
export function readErrand({ key, text }: BoardEntry): Errand | undefined {
  const id = key.startsWith(ERRAND_PREFIX) ? key.slice(ERRAND_PREFIX.length) : ''
  const { kind, target, reason, most } = readObject(text)
  if (!ID.test(id) || !ERRAND_KINDS.includes(kind as ErrandKind) || !isTarget(target)) return undefined
  if (typeof reason !== 'string' || !Number.isInteger(most) || !isAmount(most)) return undefined
  return { id, kind: kind as ErrandKind, target, reason: cleanReason(reason, MOST_REASON), most }
}

function isTarget(target: unknown): target is ErrandTarget {
  if (!isObject(target) || Object.keys(target).length !== 1) return false
  const { path, domain, file } = target
  if (path !== undefined) return typeof path === 'string' && PRINTABLE.test(path)
  if (domain !== undefined) return typeof domain === 'string' && DOMAIN.test(domain)
  return typeof file === 'string' && FILE.test(file)
}

/** What a message is known by when somebody looks for it; what is undefined is not known yet. */
export interface Sought {
  readonly id: string
  readonly domain: string | undefined
  readonly path: string | undefined
}

/** Whether a message is meant; undefined when what is known of it does not say. */
export function isMeant(target: ErrandTarget, { id, domain, path }: Sought): boolean | undefined {
  if ('file' in target) return target.file === id
  if ('domain' in target) return domain === undefined ? undefined : target.domain === domain.toLowerCase()
  return path === undefined ? undefined : concerns(target.path, path)
}

export function answerPrefix({ id }: Pick<Errand, 'id'>): string {
  return `egress_answer|${id}|`
}

export function answerEntry(errand: Pick<Errand, 'id'>, answer: ErrandAnswer, now: number): BoardEntry {
  const { process, ...rest } = answer
  return { key: answerPrefix(errand) + process, text: JSON.stringify(rest), expiresAt: now + ERRAND_TTL_MS }
}

/** As {@link readErrand}; undefined also for the answer to another errand. */
export function readAnswer(errand: Pick<Errand, 'id'>, { key, text }: BoardEntry): ErrandAnswer | undefined {
  const prefix = answerPrefix(errand)
  const process = key.startsWith(prefix) ? key.slice(prefix.length) : undefined
  const { done, waiting, underWay, putOff, failed, unseen, isOver } = readObject(text)
  const counts = { done, waiting, underWay, putOff, failed, unseen }
  if (!isProcessName(process) || !Object.values(counts).every(isAmount)) return undefined
  return typeof isOver === 'boolean' ? ({ process, ...counts, isOver } as ErrandAnswer) : undefined
}
