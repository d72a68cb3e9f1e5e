import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type {
  Ask,
  BoardChange,
  BoardEntry,
  LeaseRef,
  Ping,
  RecordsRead,
  StoredRecord,
  Verdict,
} from '../../src/store/store'
import type { Admission, Hammering, Reply, Request } from './store-process'

const SCRIPT = join(__dirname, 'store-process.ts')

/** A store in a process of its own, driven from here; see `store-process.ts`. */
export class RemoteStore {
  private readonly pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  private lastId = 0

  private constructor(readonly child: ChildProcess) {
    child.on('message', (message) => this.settle(message as Reply))
    child.on('exit', (code, signal) => this.failAll(new Error(`the store process ended (${signal ?? code})`)))
  }

  /** Resolves when the store there is open. */
  static async spawn(spec: string): Promise<RemoteStore> {
    return RemoteStore.of(fork(SCRIPT, [spec], { serialization: 'advanced' }))
  }

  /** The same, in a process whose files cannot grow beyond so many bytes: to it, the disk is full then. */
  static async spawnOnSmallDisk(spec: string, bytes: number): Promise<RemoteStore> {
    const limited = `trap '' XFSZ; ulimit -f ${Math.floor(bytes / 512)}; exec "$0" "$@"`
    const args = ['-c', limited, process.execPath, ...process.execArgv, SCRIPT, spec]
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    return RemoteStore.of(spawn('sh', args, { stdio: [...stdio], serialization: 'advanced' }))
  }

  private static async of(child: ChildProcess): Promise<RemoteStore> {
    const remote = new RemoteStore(child)
    await remote.call({ op: 'open' })
    return remote
  }

  judge(asks: readonly Ask[]): Promise<Verdict> {
    return this.call({ op: 'judge', asks }) as Promise<Verdict>
  }

  release(leases: readonly LeaseRef[]): Promise<void> {
    return this.call({ op: 'release', leases }) as Promise<void>
  }

  reset(keys: readonly string[]): Promise<number> {
    return this.call({ op: 'reset', keys }) as Promise<number>
  }

  post(entries: readonly BoardEntry[]): Promise<void> {
    return this.call({ op: 'post', entries }) as Promise<void>
  }

  withdraw(keys: readonly string[]): Promise<number> {
    return this.call({ op: 'withdraw', keys }) as Promise<number>
  }

  put(records: readonly StoredRecord[]): Promise<void> {
    return this.call({ op: 'put', records }) as Promise<void>
  }

  get(keys: readonly string[]): Promise<RecordsRead> {
    return this.call({ op: 'get', keys }) as Promise<RecordsRead>
  }

  remove(keys: readonly string[]): Promise<number> {
    return this.call({ op: 'remove', keys }) as Promise<number>
  }

  /** What the board there has told since the last time. */
  heard(): Promise<BoardChange[]> {
    return this.call({ op: 'heard' }) as Promise<BoardChange[]>
  }

  /** Asks as fast as it can; resolves to what was admitted, and when. */
  hammer(hammering: Hammering): Promise<Admission[]> {
    return this.call({ op: 'hammer', hammering }) as Promise<Admission[]>
  }

  ping(): Promise<Ping> {
    return this.call({ op: 'ping' }) as Promise<Ping>
  }

  notices(): Promise<string[]> {
    return this.call({ op: 'notices' }) as Promise<string[]>
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    await this.call({ op: 'close' })
    await exited
  }

  /** As the kernel does it when memory runs out. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exited
  }

  private call(request: Request): Promise<unknown> {
    const id = ++this.lastId
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject })
      this.child.send({ id, request })
    })
  }

  private settle(reply: Reply): void {
    const waiting = this.pending.get(reply.id)
    this.pending.delete(reply.id)
    if (reply.error === undefined) waiting?.resolve(reply.result)
    else waiting?.reject(new Error(reply.error))
  }

  private failAll(error: Error): void {
    for (const waiting of this.pending.values()) waiting.reject(error)
    this.pending.clear()
  }
}
