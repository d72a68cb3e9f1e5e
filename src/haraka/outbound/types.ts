/**
 * The parts of Haraka's outbound that Sluice touches: outbound/client_pool.js, outbound/hmail.js and tls_socket.js of
 * haraka 3.3.4. `shapes.ts` looks at start-up whether they still are what stands here.
 */

import type { EventEmitter } from 'node:events'

/** Where one delivery goes: HarakaMx of haraka-net-utils, filled up by hmail.js. */
export interface Mx {
  readonly exchange?: string
  readonly priority?: number
  readonly port?: number
  /** A unix socket instead of exchange and port. */
  readonly path?: string
  /** Local address to connect from. */
  readonly bind?: string
  /** Name for EHLO. */
  readonly bind_helo?: string
  /** Name of the host whose address `exchange` is. */
  readonly from_dns?: string
  readonly using_lmtp?: boolean
  readonly auth_user?: string
  readonly auth_pass?: string
  readonly auth_type?: string
}

export interface Cipher {
  readonly name: string
  /** `TLSv1.3`. */
  readonly version: string
}

/** What tls_socket tells of a finished handshake: authorized, why not, certificate, cipher. */
export type Upgraded = (authorized: boolean, reason?: Error, certificate?: object, cipher?: Cipher) => void

/** The socket of tls_socket.js, which can go over to TLS. */
export interface PluggableSocket extends EventEmitter {
  write(data: string | Buffer): boolean
  end(): void
  destroy(): void
  upgrade(options: object, done: Upgraded): void
  isEncrypted(): boolean
  isSecure(): boolean
}

export interface TlsSocketModule {
  readonly connect: (this: void, options: object) => PluggableSocket
}

/** Haraka passes what went wrong as text. */
export type GotClient = (error: string | null, socket: EventEmitter | null) => void

export interface ClientPool {
  get_client: (this: void, mx: Mx, callback: GotClient) => void
  release_client: (this: void, socket: EventEmitter, mx: Mx) => void
}

/** One queued message on its way to one domain. */
export interface HMail {
  /** Hosts that are still to be tried, best first. */
  mxlist: Mx[]
  /** Takes the first of `mxlist` and tries it. */
  try_deliver(): Promise<void>
  /** Null when the head of the file could not be read. The recipients hold what Haraka notes of each. */
  readonly todo: { readonly rcpt_to: object[] } | null
  /** Of the queue file, and where the message begins in it; bytes. */
  readonly file_size: number
  readonly data_start: number
}

export interface HMailPrototype {
  /** Called for each attempt, right before get_client and in the same turn. */
  get_force_tls: (this: HMail, mx: Mx) => boolean
  data_stream: unknown
  try_deliver: unknown
  try_deliver_host_on_socket: unknown
}
