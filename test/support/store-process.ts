/**
 * A process that has a store open and does what it is told over IPC: `store-process <spec>`, where the spec is
 * `memory`, `lmdb:PATH` or `redis://HOST:PORT`. Driven by `remote-store.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { openStore, parseStoreSpec } from '../../src/store/open-store'
import type { Ask, BoardChange, BoardEntry, LeaseRef, Store, StoredRecord } from '../../src/store/store'

export type Request =
  | { readonly op: 'open' }
  | { readonly op: 'judge'; readonly asks: readonly Ask[] }
  | { readonly op: 'release'; readonly leases: readonly LeaseRef[] }
  | { readonly op: 'reset'; readonly keys: readonly string[] }
  | { readonly op: 'post'; readonly entries: readonly BoardEntry[] }
  | { readonly op: 'withdraw'; readonly keys: readonly string[] }
  | { readonly op: 'put'; readonly records: readonly StoredRecord[] }
  | { readonly op: 'get'; readonly keys: readonly string[] }
  | { readonly op: 'remove'; readonly keys: readonly string[] }
  /** What the board has told since the last time. */
  | { readonly op: 'heard' }
  | { readonly op: 'hammer'; readonly hammering: Hammering }
  | { readonly op: 'ping' }
  /** What the store has told the operator so far. */
  | { readonly op: 'notices' }
  | { readonly op: 'close' }

export interface Hammering {
  readonly ask: Ask
  readonly forMs: number
  /** How many asks are under way at a time. */
  readonly atOnce: number
}

/** An admitted ask: it was judged at some instant between the two, in milliseconds since 1970. */
export interface Admission {
  readonly from: number
  readonly to: number
  readonly cost: number
}

export interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

export async function hammer(store: Store, { ask, forMs, atOnce }: Hammering): Promise<Admission[]> {
  const admissions: Admission[] = []
  const until = Date.now() + forMs
  const worker = async (): Promise<void> => {
    while (Date.now() < until) {
      const from = Date.now()
      const { committed } = await store.judge([ask])
      if (committed) admissions.push({ from, to: Date.now(), cost: 'cost' in ask ? ask.cost : 1 })
      // A store that answers at once would otherwise never let timers run.
      await turn()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return admissions
}

const notices: string[] = []
const heard: BoardChange[] = []

async function answer(store: Store, request: Request): Promise<unknown> {
  switch (request.op) {
    case 'open':
      store.onBoard((change) => void heard.push(change))
      return store.open()
    case 'judge':
      return store.judge(request.asks)
    case 'release':
      return store.release(request.leases)
    case 'reset':
      return store.reset(request.keys)
    case 'post':
      return store.post(request.entries)
    case 'withdraw':
      return store.withdraw(request.keys)
    case 'put':
      return store.records.put(request.records)
    case 'get':
      return store.records.get(request.keys)
    case 'remove':
      return store.records.remove(request.keys)
    case 'heard':
      return heard.splice(0)
    case 'hammer':
      return hammer(store, request.hammering)
    case 'ping':
      return store.ping()
    case 'notices':
      return notices
    case 'close':
      return store.close()
  }
}

function serve(spec: string): void {
  const store = openStore(parseStoreSpec(spec), {
    onChange: () => {},
    onNotice: (notice) => void notices.push(notice),
    role: 'operator',
  })
  process.on('message', (message: { id: number; request: Request }) => {
    const { id, request } = message
    answer(store, request).then(
      (result) => {
        process.send!({ id, result } satisfies Reply)
        if (request.op === 'close') process.disconnect()
      },
      (error: unknown) => process.send!({ id, error: String(error) } satisfies Reply),
    )
  })
  process.on('disconnect', () => process.exit(0))
}

if (process.argv[1]?.endsWith('store-process.ts') && process.argv[2] !== undefined) serve(process.argv[2])
