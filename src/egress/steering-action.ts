import { cleanReason } from '../policy/ban'
import { newReference } from '../policy/reference'
import { type BoardEntry, MAX_KEY_LENGTH, type Window } from '../store/store'
import { pathKey } from './path-key'
import { isSenderTarget } from './sender-target'
import { readObject } from './untrusted'

export const ACTION_KINDS = ['suspend', 'rate', 'connections', 'session', 'set'] as const
export type ActionKind = (typeof ACTION_KINDS)[number]

/**
 * Who says so: a person; the controller by the answers it sees; the breaker by a volume that jumps; a rule of
 * `responses.yaml`; the search for whoever an answer is to be blamed on; the guard of bounce and complaint rates.
 */
export const ACTION_ORIGINS = ['operator', 'controller', 'breaker', 'rule', 'blame', 'guard'] as const
export type ActionOrigin = (typeof ACTION_ORIGINS)[number]

/** What is ordered. A person's figures hold in place of the profile's, others' only if they are stricter. */
export interface ActionValues {
  /** Of the profile's message rate; from {@link LEAST_FACTOR} to 1. */
  readonly rateFactor?: number | undefined
  /** Of the profile's connections; from {@link LEAST_FACTOR} to 1. */
  readonly connectionsFactor?: number | undefined
  readonly connections?: number | undefined
  /** Messages that one session may carry. */
  readonly sessionMessages?: number | undefined
  /**
   * At least one message a minute: what must be slower is suspended. Of a sender: recipients, as few as need be.
   */
  readonly messageRate?: Window | undefined
  /** No mail until the action ends. */
  readonly suspended?: true | undefined
}

/** What the controller must remember of how it came to an action. */
export interface Course {
  /** Suspensions in a row: each is twice as long as the one before. */
  readonly suspensions: number
  /** While a path is tried after a suspension: the factor that it gets when the trial goes well. */
  readonly after?: number | undefined
}

/** Something ordered for a path. It takes the place of what the same origin has ordered of that kind for the path. */
export interface Action {
  /** Short, for people; each has its own. */
  readonly id: string
  /** A path, or all that begin alike: `egress|default|*`; or a sender, see `sender-target.ts`. */
  readonly path: string
  readonly kind: ActionKind
  readonly values: ActionValues
  readonly origin: ActionOrigin
  /** What was seen, in figures, or why a person wants it; one line. */
  readonly evidence: string
  /** Milliseconds since 1970, as is `until`. */
  readonly since: number
  readonly until: number
  /** shadow: shown, and changes nothing. */
  readonly mode: 'enforce' | 'shadow'
  readonly course?: Course | undefined
}

/** An action that is not yet posted. */
export type Order = Omit<Action, 'id'>

/** Where actions stand on the store's board. */
export const ACTION_PREFIX = 'egress_order|'
export const LEAST_FACTOR = 0.001
/** No action is for ever: what nobody remembers the reason of must end by itself. */
export const LONGEST_ACTION_MS = 31 * 86_400_000
export const MOST_CONNECTIONS = 10_000
export const MOST_SESSION_MESSAGES = 100_000
/** Slower than one message in this time is a suspension. */
export const SLOWEST_MS = 60_000
const MOST_EVIDENCE = 500
const ID = /^[0-9A-Z]{4,12}$/
const PATH = new RegExp(`^[\\x21-\\x7e]{1,${MAX_KEY_LENGTH}}$`)

/** The board key of an action. */
export function actionKey({ origin, kind, path }: Pick<Action, 'origin' | 'kind' | 'path'>): string {
  return pathKey(`${ACTION_PREFIX}${origin}.${kind}`, path)
}

/** When something began that goes on until then: what takes months begins anew for the board, which takes 31 days. */
export function begunAt(before: Pick<Action, 'since'> | undefined, until: number, now: number): number {
  return before === undefined ? now : Math.max(before.since, until - LONGEST_ACTION_MS)
}

/** Throws a RangeError when it cannot be ordered. */
export function actionOf(order: Order): Action {
  const action = { ...order, id: newReference(), evidence: cleanEvidence(order.evidence) }
  const problem = problemOf(action)
  if (problem !== undefined) throw new RangeError(problem)
  return action
}

export function entryOf(action: Action): BoardEntry {
  const { until, ...rest } = action
  return { key: actionKey(action), text: JSON.stringify(rest), expiresAt: until }
}

/** Undefined for an entry that is no action, or that a newer release has written in another way. */
export function readEntry({ key, text, expiresAt }: BoardEntry): Action | undefined {
  if (!key.startsWith(ACTION_PREFIX)) return undefined
  const action = { ...readObject(text), until: expiresAt } as Action
  if (problemOf(action) !== undefined || actionKey(action) !== key) return undefined
  return { ...action, evidence: cleanEvidence(action.evidence) }
}

/** Whether what is ordered for `target`, a path or a pattern, concerns a path. */
export function concerns(target: string, path: string): boolean {
  return target.endsWith('*') ? path.startsWith(target.slice(0, -1)) : target === path
}

/** Fits the board's text with the rest of an action, however it is escaped. */
function cleanEvidence(text: string): string {
  return cleanReason(text, MOST_EVIDENCE)
}

/** What is wrong with an action, whatever it is; undefined when nothing is. */
function problemOf(action: Action): string | undefined {
  const { id, path, kind, values, origin, evidence, since, until, mode, course } = action
  if (typeof id !== 'string' || !ID.test(id)) return `${id} is no id of an action`
  if (typeof path !== 'string' || !PATH.test(path)) return `${path} is no path`
  // A pattern ends at a part of a path, so that few are looked up.
  if (path.includes('*') && !/^[^*]+\|\*$/.test(path)) return `${path}: * stands only at the end, after a |`
  if (!ACTION_KINDS.includes(kind) || !ACTION_ORIGINS.includes(origin)) return `${origin} ${kind} is no kind of action`
  if (mode !== 'enforce' && mode !== 'shadow') return `${String(mode)} is no mode of an action`
  if (typeof evidence !== 'string') return 'an action says why'
  if (!Number.isFinite(since) || !Number.isFinite(until)) return 'an action has a beginning and an end'
  if (until - since > LONGEST_ACTION_MS) return 'an action lasts 31 days at most'
  if (course !== undefined && !isCourse(course)) return 'its course is none'
  if (typeof values !== 'object' || values === null) return 'an action orders something'
  return valueProblem(values, isSenderTarget(path))
}

function valueProblem(values: ActionValues, isOfSender: boolean): string | undefined {
  const { rateFactor, connectionsFactor, connections, sessionMessages, messageRate, suspended } = values
  const said = [rateFactor, connectionsFactor, connections, sessionMessages, messageRate, suspended]
  if (said.every((value) => value === undefined)) return 'an action orders something'
  if (![rateFactor, connectionsFactor].every((factor) => factor === undefined || isFactor(factor))) {
    return `a factor is from ${LEAST_FACTOR} to 1`
  }
  if (connections !== undefined && !isCount(connections, MOST_CONNECTIONS)) {
    return `connections are a whole number from 1 to ${MOST_CONNECTIONS}`
  }
  if (sessionMessages !== undefined && !isCount(sessionMessages, MOST_SESSION_MESSAGES)) {
    return `messages of a session are a whole number from 1 to ${MOST_SESSION_MESSAGES}`
  }
  const isTooSlow = messageRate !== undefined && !isRate(messageRate, isOfSender ? LONGEST_ACTION_MS : SLOWEST_MS)
  if (isTooSlow) return 'a message rate is at least one a minute'
  return suspended === undefined || suspended === true ? undefined : 'suspended is true or not there'
}

function isFactor(value: unknown): boolean {
  return typeof value === 'number' && value >= LEAST_FACTOR && value <= 1
}

function isCount(value: unknown, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most
}

function isRate({ limit, windowMs }: Window, slowestMs: number): boolean {
  return isCount(limit, Number.MAX_SAFE_INTEGER) && windowMs > 0 && windowMs / limit <= slowestMs
}

function isCourse({ suspensions, after }: Course): boolean {
  return Number.isInteger(suspensions) && suspensions >= 0 && (after === undefined || isFactor(after))
}
