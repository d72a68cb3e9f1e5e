/**
 * The parts of Haraka 3.3 that Sluice touches, written down because Haraka ships no types. Nothing else in the suite
 * knows their shape. Source: connection.js, transaction.js, plugins.js and server.js of haraka 3.3.4.
 */

import type { Server } from 'node:net'

/** Answer codes of hooks (haraka-constants). */
export const CONT = 900
export const DENY = 902
export const DENYSOFT = 903
export const DENYDISCONNECT = 904
export const OK = 906
export const DENYSOFTDISCONNECT = 909
export type Code =
  typeof CONT | typeof DENY | typeof DENYSOFT | typeof DENYDISCONNECT | typeof OK | typeof DENYSOFTDISCONNECT

/** A reply with its own SMTP code; Haraka recognises it by the name of its class (haraka-dsn). */
export interface DsnReply {
  readonly code: number
  readonly reply: string
  /** What Haraka's log shows of it. */
  toString(): string
}

export type Next = (code?: Code, message?: string | DsnReply) => void

export interface Logger {
  logdebug(...parts: unknown[]): void
  loginfo(...parts: unknown[]): void
  lognotice(...parts: unknown[]): void
  logwarn(...parts: unknown[]): void
  logerror(...parts: unknown[]): void
  logcrit(...parts: unknown[]): void
}

export interface HarakaPlugin extends Logger {
  readonly name: string
  /** Seconds until Haraka gives a hook up and refuses the mail; 0 for never. */
  timeout: number
  register_hook(hook: string, method: string, priority?: number): void
  haraka_require(name: string): unknown
  config: {
    readonly root_path?: string
    get(name: string, type?: string, onChange?: () => void): unknown
  }
  [method: string]: unknown
}

/** An envelope address (@haraka/email-address). Null sender: both parts empty or null. */
export interface EnvelopeAddress {
  readonly user: string | null
  readonly host: string | null
  readonly original_host?: string | null
  readonly original?: string
}

export interface Transaction {
  readonly uuid: string
  mail_from: EnvelopeAddress
  rcpt_to: EnvelopeAddress[]
  data_bytes: number
  notes: Record<string, unknown>
  readonly results: { get(name: string): unknown }
  readonly message_stream: NodeJS.ReadableStream & { pipe(to: NodeJS.WritableStream, options?: object): void }
  readonly header: { get_all(name: string): readonly string[] }
  add_header(name: string, value: string): void
  /** All of that name, whatever its case. */
  remove_header(name: string): void
}

export interface Connection extends Logger {
  readonly uuid: string
  readonly remote: { ip: string; host: string | null; is_local: boolean; is_private: boolean; closed: boolean }
  readonly local: { ip: string; port: number; host: string; info: string }
  readonly hello: { host: string | null; verb: string | null }
  readonly notes: Record<string, unknown>
  readonly results: { add(plugin: { name: string }, result: object): void; get(name: string): unknown }
  /** The command that is being answered; null before the first. */
  readonly current_line?: string | null
  /** Set when the client spoke before it was greeted. */
  readonly early_talker?: boolean
  readonly msg_count: { accept: number; tempfail: number; reject: number }
  transaction: Transaction | null
  relaying: boolean
  respond(code: number, message: string | readonly string[] | DsnReply, done?: () => void): void
  disconnect(): void
  reset_transaction(done?: () => void): void
}

export interface HarakaServer {
  /** What this process listens with; those for TLS from the first byte say so. */
  readonly listeners?: readonly (Server & { readonly has_tls?: boolean })[]
  readonly notes: Record<string, unknown>
  readonly cluster?: { readonly isMaster: boolean }
}

/** A hook as Haraka calls it. */
export type Hook<Target = Connection> = (this: HarakaPlugin, next: Next, target: Target, params?: unknown) => void
