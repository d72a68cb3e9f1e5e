/** How often a store is asked, told by the store itself. */
import { Redis } from 'ioredis'
import type { HarakaServer } from '../test/support/haraka'

export interface Trips {
  /** Batches that Sluice sent to its store, whichever that is; NaN of others. */
  readonly batches: number
  /** Times that Redis has read something from a client: round trips, those that share one counted once. */
  readonly reads: number
  /** Commands that Redis has carried out, those of scripts included. */
  readonly commands: number
}

/** Reads the counters; they only ever grow. */
export async function readTrips(server: HarakaServer, client: Redis): Promise<Trips> {
  const batches = await server.get('/metrics').then(
    ({ text }) => Number(/^sluice_store_batches_total (\d+)/m.exec(text)?.[1] ?? Number.NaN),
    // It has no HTTP: not one of ours.
    () => Number.NaN,
  )
  const info = await client.info('everything')
  return {
    batches,
    reads: Number(/^total_reads_processed:(\d+)/m.exec(info)![1]),
    commands: [...info.matchAll(/^cmdstat_(?!info)\S+:calls=(\d+)/gm)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    ),
  }
}

/** What came between two readings, for each of `count`. */
export function tripsBetween(before: Trips, after: Trips, count: number): Trips {
  return {
    batches: (after.batches - before.batches) / count,
    reads: (after.reads - before.reads) / count,
    commands: (after.commands - before.commands) / count,
  }
}
