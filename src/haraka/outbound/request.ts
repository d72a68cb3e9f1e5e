import type { Attempt } from '../../egress/attempt'
import type { SessionDemands } from './demands'
import type { GotClient, Mx } from './types'

/** Why a host is tried once more, on a new connection: the session in use had ended, or there is no TLS to be had. */
export type RetryReason = 'stale' | 'no TLS'

/** A delivery that wants a session with one host. */
export interface SessionRequest {
  readonly mx: Mx
  readonly demands: SessionDemands
  /** Rather no delivery than one in the clear. */
  readonly forceTls: boolean
  /** Not a session that was used before. */
  readonly fresh: boolean
  readonly attempt: Attempt | undefined
  /** Haraka's own objects, in the order of the message. */
  readonly recipients: object[]
  /** Of the message as it is sent; undefined when unknown. */
  readonly sizeBytes: number | undefined
  /** Whether there are hosts to ask after this one. */
  hasOthers(): boolean
  /** Undefined: a new connection may be dialled at once. */
  mayConnect(): Promise<void> | undefined
  /** Tries the host again at once, with `fresh`; the delivery is to hear no more of this session. */
  retry(reason: RetryReason, text: string): void
  readonly callback: GotClient
}
