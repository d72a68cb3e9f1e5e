import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { open } from 'lmdb'
import { Environment } from '../../src/store/lmdb/environment'
import { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { encodeRecord } from '../../src/store/lmdb/record'
import type { WindowAsk } from '../../src/store/store'
import { windowAsk } from '../contract/bench'
import { RemoteStore } from './remote-store'

/** A store directory, the stores opened on it, and what they told the operator. */
export class LmdbScene {
  readonly path = fs.mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
  readonly notices: string[] = []
  private readonly open: { close(): Promise<void> }[] = []

  async openStore({ path = this.path, tickMs = 50 } = {}): Promise<LmdbStore> {
    const store = new LmdbStore({ path, flushMs: tickMs, tickMs, onNotice: (notice) => this.notices.push(notice) })
    await store.open()
    this.open.push(store)
    return store
  }

  /** A store in another process; with `diskBytes` in one whose files cannot grow beyond that. */
  async spawnStore(diskBytes?: number): Promise<RemoteStore> {
    const spec = `lmdb:${this.path}`
    const remote = await (diskBytes ? RemoteStore.spawnOnSmallDisk(spec, diskBytes) : RemoteStore.spawn(spec))
    this.open.push(remote)
    return remote
  }

  /** The bare environment, for what no store would do. */
  openEnvironment(): Environment {
    const environment = Environment.open(this.path)
    this.open.push(environment)
    return environment
  }

  async end(): Promise<void> {
    for (const store of this.open.splice(0)) await store.close()
    fs.rmSync(this.path, { recursive: true, force: true })
  }

  /** The file of an earlier version, with one count in it, in place of whatever is there. */
  async leaveBehindWithoutBoard(): Promise<void> {
    for (const name of fs.readdirSync(this.path)) fs.rmSync(join(this.path, name))
    const root = open<Buffer, string>({ path: this.path, noSubdir: false, maxDbs: 4, encoding: 'binary' })
    const states = root.openDB<Buffer, string>({ name: 'states', encoding: 'binary' })
    for (const name of ['owners', 'resets']) root.openDB({ name, encoding: 'json' })
    states.putSync('k0', encodeRecord({ op: 'rate', tat: Date.now() + 3_600_000, noted: false }))
    await root.close()
  }

  /** Fills a store with keys `k0`…, each used once, and closes it. */
  async leaveBehind(keys: number): Promise<void> {
    const store = await this.openStore()
    for (let key = 0; key < keys; key++) await store.judge([askHourly(`k${key}`)])
    await store.close()
  }
}

export function askHourly(key: string, limit = 1): WindowAsk {
  return windowAsk(key, [{ limit, windowMs: 3_600_000 }])
}

/** How many of the keys `k0`… were used before. */
export async function knownOf(store: LmdbStore, keys: number): Promise<number> {
  let known = 0
  for (let key = 0; key < keys; key++) if (!(await store.judge([askHourly(`k${key}`)])).committed) known++
  return known
}

export async function modeOf(store: LmdbStore | RemoteStore): Promise<unknown> {
  return (await store.ping()).detail['mode']
}

/** Resolves when it is so; the runner's own time limit is the bound. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(10)
}
