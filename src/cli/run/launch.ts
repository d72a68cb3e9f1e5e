import { join } from 'node:path'
import { say } from '../terminal'
import type { HarakaPackage } from './find-haraka'

/** npm passes on a Ctrl-C that the terminal has sent already: within this time two signals are one. */
const SAME_SIGNAL_MS = 1000
const PARENT_CHECK_MS = 500

/** Haraka listens to the second one itself when it is process 1, as in a container. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Becomes Haraka on `dir`: same process, so that no child is ever left behind and the exit code is Haraka's own.
 * Returns once Haraka is loaded; the process ends when Haraka ends it. Throws when a plugin cannot be loaded.
 */
export function launch(dir: string, haraka: HarakaPackage): void {
  const script = join(haraka.path, 'haraka.js')
  // Relative paths of Haraka's own config, such as queue_dir, start at the current folder.
  process.chdir(dir)
  process.env.HARAKA = dir
  // Haraka's cluster starts its workers with this script and these arguments.
  process.argv = [process.execPath, script, '-c', dir]
  const before = new Set(SIGNALS.flatMap((signal) => process.listeners(signal)))
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- found at run time
  require(script)
  const endings = process.listeners('SIGINT').filter((listener) => !before.has(listener))
  for (const signal of SIGNALS) {
    for (const listener of process.listeners(signal))
      if (!before.has(listener)) process.removeListener(signal, listener)
  }
  endOnSignals(endings)
}

/**
 * Haraka ends well on SIGINT only, and at once, with an error, on a second one. Here SIGTERM is as good, and an echo of
 * the first signal is not a second one.
 */
function endOnSignals(listeners: readonly NodeJS.SignalsListener[]): void {
  let endingSince: number | undefined
  const end = () => {
    if (endingSince !== undefined && Date.now() - endingSince < SAME_SIGNAL_MS) return
    if (endingSince === undefined) say('sluice: ending; open sessions may finish, a second Ctrl-C cuts them off')
    endingSince = Date.now()
    for (const listener of listeners) listener('SIGINT')
  }
  for (const signal of SIGNALS) process.on(signal, end)
  endWithNpm(end)
  // Haraka flushes its queue on SIGHUP, as a daemon should; a terminal that closes means the end.
  if (process.stdin.isTTY) {
    process.removeAllListeners('SIGHUP')
    process.on('SIGHUP', end)
  }
}

/**
 * `npx` runs a command through a shell, and a signal to npx ends that shell only. Who was started by npm and has lost
 * its parent would be left behind, holding the port.
 */
function endWithNpm(end: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    end()
  }, PARENT_CHECK_MS)
  watch.unref()
}
