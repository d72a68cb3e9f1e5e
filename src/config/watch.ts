import { type FSWatcher, statSync, watch } from 'node:fs'
import path from 'node:path'
import type { Policy } from './compile'
import { type LoadOptions, type LoadResult, type RefusedPolicy, loadPolicy } from './load'

export interface WatchOptions extends LoadOptions {
  /** Told once for each change of content, with what came of it and when (milliseconds since 1970). Must not throw. */
  readonly onLoad: (result: LoadResult, at: number) => void
  /** Quiet time after the last sign of a change, so that a file that is still being written is not read. */
  readonly debounceMs?: number
  /** How often to look without a sign: some file systems (NFS, mounted volumes) give none. */
  readonly pollMs?: number
}

export interface PolicyWatch {
  /** The last good policy; undefined until there has been one. */
  readonly policy: Policy | undefined
  /** Looks now rather than when the next sign comes. */
  check(): void
  close(): void
}

const DEBOUNCE_MS = 250
const POLL_MS = 5000

/**
 * Watches the configuration file and the maps it uses. Whole folders are watched, since editors put a new file in place
 * of the old one. `current` is what was loaded at start. Keeps no process alive.
 */
export function watchPolicy(harakaDir: string, current: LoadResult, options: WatchOptions): PolicyWatch {
  return new ConfigWatch(path.resolve(harakaDir), current, options)
}

class ConfigWatch implements PolicyWatch {
  policy: Policy | undefined
  private readonly folders = new Map<string, FSWatcher>()
  private readonly poll: NodeJS.Timeout
  private debounce: NodeJS.Timeout | undefined
  private closed = false
  /** The policy in force comes from a file, so that defaults in its place would be a mistake. */
  private written: boolean
  /** Size, time and identity of every file when last read: what a look costs when nothing has changed. */
  private stamp: string
  private pendingStamp = ''

  constructor(
    private readonly home: string,
    private current: LoadResult,
    private readonly options: WatchOptions,
  ) {
    if ('policy' in current) this.policy = current.policy
    this.written = 'policy' in current && !current.empty
    // Not the stamp of now: the files may have changed since `current` was read, and then they are read again.
    this.stamp = ''
    this.watchFolders()
    this.poll = setInterval(() => this.look(), options.pollMs ?? POLL_MS).unref()
    this.look()
  }

  check(): void {
    if (this.closed) return
    clearTimeout(this.debounce)
    this.debounce = undefined
    this.load(this.readStamp())
  }

  close(): void {
    this.closed = true
    clearInterval(this.poll)
    clearTimeout(this.debounce)
    this.closeFolders()
  }

  private look(): void {
    this.watchFolders()
    if (this.debounce === undefined && this.readStamp() !== this.stamp) this.await()
  }

  /** Waits for quiet: while files go on changing, it waits on. */
  private await(): void {
    clearTimeout(this.debounce)
    this.pendingStamp = this.readStamp()
    this.debounce = setTimeout(() => this.settle(), this.options.debounceMs ?? DEBOUNCE_MS).unref()
  }

  private settle(): void {
    this.debounce = undefined
    const stamp = this.readStamp()
    if (stamp !== this.pendingStamp) this.await()
    else if (stamp !== this.stamp) this.load(stamp)
  }

  private load(stamp: string): void {
    this.stamp = stamp
    const loaded = loadPolicy(this.home, this.options)
    if (loaded.fingerprint === this.current.fingerprint) return
    const result = this.written && 'policy' in loaded && loaded.empty ? emptied(loaded) : loaded
    this.current = result
    if ('policy' in result) {
      this.policy = result.policy
      this.written = !result.empty
    }
    // Other files may be in use now, and a folder may have been replaced: a watch on the old one hears nothing.
    this.closeFolders()
    this.watchFolders()
    this.options.onLoad(result, Date.now())
  }

  private watchFolders(): void {
    const wanted = new Set(this.current.files.map((file) => path.dirname(path.resolve(this.home, file))))
    for (const [folder, watcher] of this.folders) {
      if (wanted.has(folder)) continue
      watcher.close()
      this.folders.delete(folder)
    }
    for (const folder of wanted) if (!this.folders.has(folder)) this.watchFolder(folder)
  }

  private watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.await())
      this.folders.set(folder, watcher)
      // What is wrong with it is tried again at the next poll.
      watcher.on('error', () => this.forget(folder, watcher))
    } catch {
      // No such folder yet, or no watches left in the system: polling finds changes all the same.
    }
  }

  private closeFolders(): void {
    for (const watcher of this.folders.values()) watcher.close()
    this.folders.clear()
  }

  private forget(folder: string, watcher: FSWatcher): void {
    watcher.close()
    if (this.folders.get(folder) === watcher) this.folders.delete(folder)
  }

  private readStamp(): string {
    return this.current.files.map((file) => stampOf(path.resolve(this.home, file))).join(' ')
  }
}

/** An interrupted save or a deployment that removes first: the defaults, which refuse nobody, must not take over. */
function emptied({ files, fingerprint }: LoadResult): RefusedPolicy {
  const message =
    'is empty or gone; a running server goes on with what it has. To go back to the defaults write "mode: shadow", or start Haraka again'
  return { problems: [{ file: files[0]!, line: 1, column: 1, path: '', message }], files, fingerprint }
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true })
    return `${ino}:${size}:${mtimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
