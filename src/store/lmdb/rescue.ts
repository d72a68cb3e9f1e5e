import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { extname, join } from 'node:path'

const LIMIT_MS = 60_000

export interface Rescue {
  /** Keys carried over into the new file. */
  readonly kept: number
  /** Whether the old file could be read to its end. */
  readonly complete: boolean
}

/**
 * Copies what is readable of a data file that cannot be trusted into the store at `path`. A process of its own does it,
 * `rescue-process.ts`, because LMDB may crash on such a file; what it had copied until then stays.
 */
export function rescue(aside: string, path: string): Promise<Rescue> {
  return new Promise((resolve) => {
    let latest: Rescue = { kept: 0, complete: false }
    const script = join(__dirname, `rescue-process${extname(__filename)}`)
    const child = fork(script, [aside, path], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const finish = (): void => {
      clearTimeout(timer)
      rmSync(`${aside}-lock`, { force: true })
      resolve(latest)
    }
    child.on('message', (message) => (latest = message as Rescue))
    child.on('error', finish)
    child.on('exit', finish)
  })
}
