import { askListings } from '../../dns/listed-addresses'
import { type ListingChange, OwnAddresses } from '../../egress/own-addresses'
import type { Runtime } from '../runtime'

/** The first look, when the server has begun: soon, and not of all processes at once. */
const FIRST_MS = 1000
const SPREAD = 0.1
/** A configuration that is changed is heeded within this. */
const LONGEST_WAIT_MS = 60_000

export interface OwnAddressesWatch {
  close(): void
}

/** Looks up from now on whether the addresses that we send from are on DNS lists. */
export function watchOwnAddresses(
  runtime: Runtime,
  onChange: (change: ListingChange) => void,
  onFailure: (error: unknown) => void,
): OwnAddressesWatch {
  const steering = runtime.openSteering()
  const own = new OwnAddresses({
    policy: () => runtime.policy.automation,
    egress: () => runtime.policy.egress,
    store: () => runtime.serve().store,
    desk: () => steering.desk(),
    ask: (addresses, lists) => {
      const { servers, timeout } = runtime.policy.config.dns
      return askListings(addresses, lists, { servers, deadlineMs: timeout })
    },
    onChange,
  })
  runtime.watch({ ownListed: () => own.counts })
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  // Whoever comes too early does not get the turn.
  const look = () => {
    const { everyMs } = runtime.policy.automation.ownAddresses
    own
      .check()
      .catch(onFailure)
      .finally(() => wait(Math.min(everyMs, LONGEST_WAIT_MS)))
  }
  const wait = (ms: number) => {
    if (!isClosed) timer = setTimeout(look, ms * (1 + SPREAD * Math.random())).unref()
  }
  const opened = runtime.serve()
  opened.ready
    .then(() => {
      own.follow(opened.store)
      wait(FIRST_MS)
    })
    .catch(onFailure)
  return {
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
