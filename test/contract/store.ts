import type { Store } from '../../src/store/store'
import { describeBatches } from './cases/batches'
import { describeBoard } from './cases/board'
import { describeConcurrency } from './cases/concurrency'
import { describeDistinct } from './cases/distinct'
import { describeExcuses } from './cases/excuses'
import { describeKeys } from './cases/keys'
import { describeLeases } from './cases/leases'
import { describeMerits } from './cases/merits'
import { describeProperties } from './cases/properties'
import { describeRates } from './cases/rates'
import { describeRecords } from './cases/records'
import { describeReservations } from './cases/reservations'
import { describeTriplets } from './cases/triplets'
import { describeWindows } from './cases/windows'
import { Bench } from './bench'

/** How the contract suite gets at one kind of store. */
export interface StoreHarness {
  /** A store on fresh, empty state, opened. */
  open(): Promise<Store>
  /** Another handle on the state of the latest {@link open}, opened, in this process. */
  again?(): Promise<Store>
  /** Argument with which `test/support/store-process.ts` opens the same state in another process. */
  processSpec?(): string
  /** Called after each test: closes nothing that is closed already, and removes the state. */
  cleanUp(): Promise<void>
  /** Moves the virtual clock; absent when the store lives on real time. */
  advance?(ms: number): void
  /** Reads the virtual clock. */
  now?(): number
}

/**
 * Holds a store to the contract of `src/store/store.ts`. With a virtual clock times are checked to the millisecond;
 * on real time windows are short, and what cannot be known to the millisecond is checked as far as it can be known.
 */
export function describeStoreContract(name: string, harness: StoreHarness): void {
  describe(`store contract: ${name}`, () => {
    const bench = new Bench(harness)
    beforeEach(() => bench.setUp())
    afterEach(() => bench.tearDown())

    describeWindows(bench)
    describeRates(bench)
    describeReservations(bench)
    describeLeases(bench)
    describeTriplets(bench)
    describeMerits(bench)
    describeDistinct(bench)
    describeExcuses(bench)
    describeBatches(bench)
    describeKeys(bench)
    describeBoard(bench)
    describeRecords(bench)
    describeConcurrency(bench)
    describeProperties(bench)
  })
}
