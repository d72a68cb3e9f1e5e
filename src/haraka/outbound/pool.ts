import { dial } from './dial'
import { Facade } from './facade'
import { Session, type SessionOwner } from './session'
import { sessionKey } from './session-key'
import type { Timeouts } from './timeouts'
import type { GotClient, Mx, TlsSocketModule } from './types'

export interface SessionLimits {
  /** Messages that a session carries. */
  readonly messages: number
  /** How long a session waits for another message, in ms. */
  readonly idleMs: number
  /** Connections at a time to one key; no limit without. Deliveries beyond wait, in order. */
  readonly sessions?: number
}

/** Sessions of this process that may wait for a message at a time; one more is closed at once. */
const MOST_PARKED = 1000

export interface Request {
  readonly mx: Mx
  readonly forceTls: boolean
  /** Not one that was used before: the last one was stale. */
  readonly fresh: boolean
  /** Tries again at once, with `fresh`. */
  readonly retry: (() => void) | undefined
  readonly callback: GotClient
}

/** All outbound sessions of this process, by who may share them (`sessionKey`). */
export class SessionPools {
  /** Sessions that wait for a message. */
  parked = 0
  isOpen = true
  private readonly pools = new Map<string, Pool>()

  constructor(
    readonly tls: TlsSocketModule,
    readonly limits: SessionLimits,
    readonly timeouts: Timeouts,
  ) {}

  /** Gets a delivery a session, through the callback. */
  take(request: Request): void {
    const key = sessionKey(request.mx, request.forceTls)
    let pool = this.pools.get(key)
    if (!pool) {
      pool = new Pool(this, request.mx.using_lmtp === true, () => this.pools.delete(key))
      this.pools.set(key, pool)
    }
    pool.take(request)
  }

  /** Sessions that wait are ended, and from now on those too whose delivery is done. */
  close(): void {
    this.isOpen = false
    for (const pool of this.pools.values()) pool.close()
  }
}

/** The sessions of one key. */
class Pool implements SessionOwner {
  private readonly idle: Session[] = []
  /** Connections: dialled, busy, parked, closing. */
  private connections = 0
  /** Bounded by the deliveries that Haraka has under way (outbound.ini, concurrency_max). */
  private readonly waiting: Request[] = []

  constructor(
    private readonly pools: SessionPools,
    readonly lmtp: boolean,
    private readonly onEmpty: () => void,
  ) {}

  get timeouts(): Timeouts {
    return this.pools.timeouts
  }

  take(request: Request): void {
    // The one used last: the others may reach their idle time.
    const session = request.fresh ? undefined : this.idle.pop()
    if (session) {
      this.pools.parked--
      return lend(session, request)
    }
    const { sessions } = this.pools.limits
    if (sessions === undefined || this.connections < sessions) return this.open(request)
    this.waiting.push(request)
    // It asks for a new one, and may not have more: an old one goes.
    if (request.fresh) this.idle[0]?.quit()
  }

  keeps(session: Session): boolean {
    const { limits, isOpen, parked } = this.pools
    return isOpen && session.messages < limits.messages && (this.waiting.length > 0 || parked < MOST_PARKED)
  }

  parked(session: Session): void {
    const next = this.waiting.findIndex(({ fresh }) => !fresh)
    if (next >= 0) return lend(session, this.waiting.splice(next, 1)[0]!)
    this.idle.push(session)
    this.pools.parked++
    session.waitAtMost(this.pools.limits.idleMs)
    if (this.waiting.length > 0) session.quit()
  }

  leaving(session: Session): void {
    const place = this.idle.indexOf(session)
    if (place < 0) return
    this.idle.splice(place, 1)
    this.pools.parked--
  }

  gone(session: Session): void {
    this.leaving(session)
    this.freed()
  }

  close(): void {
    for (const session of [...this.idle]) session.quit()
  }

  private open(request: Request): void {
    this.connections++
    dial(this.pools.tls, request.mx, this.timeouts.connect, (error, socket) => {
      if (socket) return lend(new Session(socket, this), request)
      this.freed()
      request.callback(error, null)
    })
  }

  private freed(): void {
    this.connections--
    const next = this.waiting.shift()
    if (next) this.open(next)
    else if (this.connections === 0) this.onEmpty()
  }
}

function lend(session: Session, { retry, callback }: Request): void {
  const facade = new Facade(session, retry)
  session.lend(facade)
  callback(null, facade)
}
