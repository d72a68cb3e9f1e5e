import { spawn } from 'node:child_process'

/** Public in every sense but that nobody has them (RFC 2544 §C.2.2): in the script's network they are the host's own. */
const SETUP = 'ip link set lo up && ip route add local 198.18.0.0/15 dev lo && exec "$0" "$@"'

/**
 * Runs a script in a network of its own, which ends with it. All of 198.18.0.0/15 is on its loopback, so clients can come
 * from there without a proxy, and nobody else is reached. Resolves with what the script sends (`process.send`), rejects
 * when it ends without a word or in time.
 */
export function inOwnNetwork(script: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const node = [process.execPath, '--import', 'tsx', script]
    const child = spawn('unshare', ['--net', 'sh', '-c', SETUP, ...node], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      timeout: timeoutMs,
    })
    child.once('message', resolve).once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`${script} ended with ${code ?? signal} and said nothing`)))
  })
}
