import net from 'node:net'
import type { HostIdentity } from '../../egress/attempt'
import { BrokenTls } from './broken-tls'
import { dial } from './dial'
import { Facade } from './facade'
import type { SessionRequest } from './request'
import { Session, type SessionOwner } from './session'
import { sessionKey } from './session-key'
import type { Mx, TlsSocketModule } from './types'

/** Sessions of this process that may wait for a message at a time; one more is closed at once. */
const MOST_PARKED = 1000

/** All outbound sessions of this process, by who may share them (`sessionKey`). */
export class SessionPools {
  /** Sessions that wait for a message. */
  parked = 0
  /** All there are: dialled, busy, parked, closing. */
  connections = 0
  isOpen = true
  private readonly pools = new Map<string, Pool>()
  private readonly paths = new Map<string, PathSessions>()

  /** `changed` is told when a connection of a path is gone, or has become idle. */
  constructor(
    readonly tls: TlsSocketModule,
    private readonly changed: (path: string) => void,
    readonly brokenTls = new BrokenTls(),
  ) {}

  /** Connections of a path: dialled, busy, parked, closing. */
  connectionsOf(path: string): number {
    return this.paths.get(path)?.connections ?? 0
  }

  /** Closes the session of a path that has waited longest for a message, if one does. */
  closeIdle(path: string): void {
    const [longest] = this.paths.get(path)?.idle ?? []
    longest?.quit()
  }

  /** A connection of a path is dialled, or another is gone. */
  count(path: string, more: 1 | -1): void {
    const sessions = this.paths.get(path) ?? { connections: 0, idle: new Set() }
    sessions.connections += more
    this.connections += more
    if (sessions.connections > 0) this.paths.set(path, sessions)
    else this.paths.delete(path)
    if (more < 0) this.changed(path)
  }

  /** A session waits for a message. */
  park(session: Session): void {
    const { path } = session.demands
    this.parked++
    this.paths.get(path)?.idle.add(session)
    this.changed(path)
  }

  /** It waits no longer. */
  unpark(session: Session): void {
    this.parked--
    this.paths.get(session.demands.path)?.idle.delete(session)
  }

  /** Gets a delivery a session, through the callback. */
  take(request: SessionRequest): void {
    const key = sessionKey(request.mx, request.forceTls, request.demands)
    let pool = this.pools.get(key)
    if (!pool) {
      pool = new Pool(this, request.demands.path, request.mx.using_lmtp === true, () => this.pools.delete(key))
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

interface PathSessions {
  connections: number
  /** Those that wait for a message, the longest first. */
  readonly idle: Set<Session>
}

/** The sessions of one key. */
class Pool implements SessionOwner {
  private readonly idle: Session[] = []
  /** Connections: dialled, busy, parked, closing. */
  private connections = 0
  /** Until they may dial. Bounded by the deliveries that are under way. */
  private readonly waiting = new Set<SessionRequest>()

  constructor(
    private readonly pools: SessionPools,
    private readonly path: string,
    readonly lmtp: boolean,
    private readonly onEmpty: () => void,
  ) {}

  get brokenTls(): BrokenTls {
    return this.pools.brokenTls
  }

  take(request: SessionRequest): void {
    request.attempt?.tries(identityOf(request.mx))
    // The one used last: the others may reach their idle time.
    const session = this.idle.findLast((one) => suits(one, request))
    if (session) {
      this.leaving(session)
      return lend(session, request)
    }
    const leave = request.mayConnect()
    if (!leave) return this.open(request)
    this.waiting.add(request)
    leave.then(
      () => this.waiting.delete(request) && this.open(request),
      (error: Error) => this.waiting.delete(request) && this.refuse(request, error.message),
    )
  }

  keeps(session: Session): boolean {
    const { isOpen, parked } = this.pools
    return isOpen && session.messages < session.demands.messages && (this.waiting.size > 0 || parked < MOST_PARKED)
  }

  parked(session: Session): void {
    for (const request of this.waiting) {
      if (!suits(session, request)) continue
      this.waiting.delete(request)
      return lend(session, request)
    }
    this.idle.push(session)
    session.waitForNext()
    this.pools.park(session)
  }

  leaving(session: Session): void {
    const place = this.idle.indexOf(session)
    if (place < 0) return
    this.idle.splice(place, 1)
    this.pools.unpark(session)
  }

  gone(session: Session): void {
    this.leaving(session)
    this.lost()
  }

  close(): void {
    for (const session of [...this.idle]) session.quit()
  }

  private open(request: SessionRequest): void {
    this.connections++
    this.pools.count(this.path, 1)
    const { mx, demands, attempt, callback } = request
    dial(this.pools.tls, mx, demands.timeouts.connect, (result) => {
      if (result.socket) {
        attempt?.took('connect', result.ms)
        return lend(new Session(result.socket, this, demands), request)
      }
      attempt?.failed('connect', result.failure, result.text)
      this.lost()
      callback(result.text, null)
    })
  }

  /** The delivery goes on to another host. */
  private refuse(request: SessionRequest, text: string): void {
    request.attempt?.failed('connect', 'held', text)
    this.tidy()
    request.callback(text, null)
  }

  private lost(): void {
    this.connections--
    this.tidy()
    this.pools.count(this.path, -1)
  }

  private tidy(): void {
    if (this.connections === 0 && this.waiting.size === 0) this.onEmpty()
  }
}

function suits(session: Session, { fresh, demands }: SessionRequest): boolean {
  return !fresh && session.messages < demands.messages
}

function lend(session: Session, request: SessionRequest): void {
  const facade = new Facade(session)
  session.lend(facade, request)
  request.callback(null, facade)
}

function identityOf({ path, exchange = '', from_dns, port }: Mx): HostIdentity {
  if (path) return { host: path, ip: undefined, port: undefined }
  return { host: from_dns ?? exchange, ip: net.isIP(exchange) ? exchange : undefined, port }
}
