import { randomBytes } from 'node:crypto'
import { type IpAddress, parseIp } from '../keys/address'
import type { Outcome } from '../policy/decision'
import type { Client, Stage } from '../policy/subject'
import type { LeaseRef } from '../store/store'
import type { Connection } from './types'

/** One judged stage, until every plugin that has a hook on it has taken its answer. */
export interface StageRun {
  readonly stage: Stage
  /** What was judged: the transaction, the recipient, or the session itself. */
  readonly token: object
  readonly outcome: Outcome | Promise<Outcome>
  readonly answered: Set<string>
}

/** What Sluice keeps of one SMTP session. */
export interface Session {
  readonly leaseId: string
  readonly startedAt: number
  recipients: number
  junk: number
  helos: number
  client: Client
  /** Address that the connect stage judged; XCLIENT may change the session's address later. */
  judgedIp: string | undefined
  leases: LeaseRef[]
  run: StageRun | undefined
  closed: boolean
  /** Called when the client goes away while somebody waits on its behalf. */
  onClose: (() => void) | undefined
}

const NOWHERE: IpAddress = { family: 4, bytes: [0, 0, 0, 0], texts: new Map() }

/** Sessions by Haraka connection; they vanish with it. */
export class Sessions {
  private readonly byConnection = new WeakMap<Connection, Session>()

  constructor(private readonly isTrusted: (address: IpAddress) => boolean) {}

  of(connection: Connection): Session {
    let session = this.byConnection.get(connection)
    if (!session) {
      session = this.create(connection)
      this.byConnection.set(connection, session)
    } else if (session.client.ip !== connection.remote.ip) {
      session.client = this.clientOf(connection)
    }
    return session
  }

  find(connection: Connection): Session | undefined {
    return this.byConnection.get(connection)
  }

  private create(connection: Connection): Session {
    return {
      leaseId: randomBytes(9).toString('base64url'),
      startedAt: Date.now(),
      recipients: 0,
      junk: 0,
      helos: 0,
      client: this.clientOf(connection),
      judgedIp: undefined,
      leases: [],
      run: undefined,
      closed: false,
      onClose: undefined,
    }
  }

  private clientOf(connection: Connection): Client {
    // Haraka unmaps ::ffff:192.0.2.1 itself; PROXY and XCLIENT may still bring one.
    const address = parseIp(connection.remote.ip) ?? NOWHERE
    return { ip: connection.remote.ip, address, trusted: this.isTrusted(address) }
  }
}
