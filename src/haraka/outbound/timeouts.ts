/** How long a server may take to answer, or to take a piece of a message, in ms. */
export interface Timeouts {
  readonly connect: number
  readonly greeting: number
  readonly hello: number
  /** From STARTTLS to the end of the handshake. */
  readonly starttls: number
  readonly auth: number
  readonly mail: number
  readonly rcpt: number
  readonly data: number
  /** For each piece of the message. */
  readonly block: number
  /** After the final dot. Who gives up earlier delivers twice. */
  readonly dot: number
  readonly rset: number
}

const MINUTE = 60_000

/** RFC 5321 §4.5.3.2; what it does not name is ours. */
export const TIMEOUTS: Timeouts = {
  connect: 30_000,
  greeting: 5 * MINUTE,
  hello: 5 * MINUTE,
  starttls: 2 * MINUTE,
  auth: 5 * MINUTE,
  mail: 5 * MINUTE,
  rcpt: 5 * MINUTE,
  data: 2 * MINUTE,
  block: 3 * MINUTE,
  dot: 10 * MINUTE,
  rset: 30_000,
}

export type Phase = keyof Timeouts

const PHASES: Readonly<Record<string, Phase>> = {
  EHLO: 'hello',
  LHLO: 'hello',
  HELO: 'hello',
  STARTTLS: 'starttls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
  RSET: 'rset',
  '.': 'dot',
}

/** What a command that Haraka sends begins; whatever it says while it logs in belongs to the login. */
export function phaseOf(command: string, isLoggingIn: boolean): Phase {
  return (!isLoggingIn && PHASES[verbOf(command)]) || 'auth'
}

export function verbOf(command: string): string {
  return /^\S*/.exec(command)![0].toUpperCase()
}
