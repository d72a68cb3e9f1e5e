import {
  LOAD_PREFIX,
  PROCESS_PREFIX,
  type PathReport,
  type ProcessReport,
  readLoad,
  readProcess,
} from '../../egress/path-load'
import { MAX_BOARD_ENTRIES, type Store } from '../../store/store'

/** What processes that deliver have last said of themselves. */
export interface Reports {
  readonly processes: readonly ProcessReport[]
  readonly loads: readonly PathReport[]
}

export async function readReports(store: Store): Promise<Reports> {
  const entriesOf = async (prefix: string) => {
    const entries = await store.readBoard(prefix, MAX_BOARD_ENTRIES)
    return entries.filter(({ expiresAt }) => expiresAt > Date.now())
  }
  return {
    processes: (await entriesOf(PROCESS_PREFIX))
      .flatMap((entry) => readProcess(entry) ?? [])
      .sort((a, b) => (a.process < b.process ? -1 : 1)),
    loads: (await entriesOf(LOAD_PREFIX)).flatMap((entry) => readLoad(entry) ?? []),
  }
}
