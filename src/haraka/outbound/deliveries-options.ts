import type { PathFigures } from '../../egress/dispatcher'
import type { PathBook } from '../../egress/path-book'
import type { PathConnections, PathLimits } from '../../egress/path-dispatcher'
import type { Hold } from '../../egress/path-load'
import type { ResolvedPath } from '../../egress/rules'
import type { Store } from '../../store/store'
import type { Held } from '../suppressions'
import type { AttemptEnd, Untried } from './attempt-event'
import type { Budget } from './budget'
import type { DeliveryRecords, Planner } from './delivery'
import type { Endings } from './endings'
import type { QueueItem, QueuedRecipient } from './queue-item'

/** What the deliveries of a process work with. */
export interface DeliveriesOptions {
  readonly book: PathBook
  readonly planner: Planner
  readonly records: DeliveryRecords
  readonly endings: Endings
  readonly store: () => Store
  readonly limitsOf: (path: ResolvedPath) => PathLimits
  readonly budget: Budget
  /** Messages that a session of the path may carry by order; undefined: by its profile alone. */
  readonly mostSessionMessages: (path: string) => number | undefined
  /** Why whoever sends a message may not at the moment; undefined when he may. */
  readonly pausedBy: (item: QueueItem) => Untried | undefined
  /** Connections of this process to a path. */
  readonly connections: (path: string) => PathConnections
  /** Deliveries under way at a time in this process, over all paths: each has a socket. */
  readonly mostUnderWay: () => number
  /** Makes messages to at most so many recipients of one, and puts them into Haraka's delivery queue. */
  readonly splitUp: (item: QueueItem, most: number) => Promise<void>
  /** Whom a message is not to be sent to. Never rejects. */
  readonly heldIn: (item: QueueItem) => readonly Held[] | Promise<readonly Held[]>
  /** Makes two messages of one, that to these recipients and that to the others, and puts them into Haraka's delivery queue. */
  readonly setApart: (item: QueueItem, recipients: readonly QueuedRecipient[]) => Promise<void>
  readonly onAttempt: (end: AttemptEnd) => void
  readonly onFailure: (what: string, error: unknown) => void
  readonly onNotice: (message: string) => void
}

/** `left`: it was not there to be ended; `put off`: its end failed, and it is tried again. */
export type Ended = 'ended' | 'left' | 'put off'

/** What this process has to do for a path. */
export interface Work extends Omit<PathFigures, 'hold'> {
  readonly provider: string | undefined
  /** All there are: being made, in use, idle. */
  readonly connections: number
  readonly limits: PathLimits
  /** `connection_rate`: what may go waits to connect; `process`: this process has all under way that it may. */
  readonly hold: Hold
}
