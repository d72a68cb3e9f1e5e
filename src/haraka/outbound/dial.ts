import type { Mx, PluggableSocket, TlsSocketModule } from './types'

/**
 * Connects as Haraka's own get_client does, except that small writes leave at once: with Nagle's algorithm each command after
 * the first waits for an acknowledgement. `done` gets a connected socket without listeners, or what went wrong, in the words
 * that hmail.js looks for.
 */
export function dial(
  tls: TlsSocketModule,
  mx: Mx,
  timeoutMs: number,
  done: (error: string | null, socket: PluggableSocket | null) => void,
): void {
  const target = mx.path ? { path: mx.path } : { port: mx.port, host: mx.exchange, localAddress: mx.bind }
  const socket = tls.connect({ ...target, noDelay: true })
  const timer = setTimeout(() => fail(`connection timed out to outbound::${JSON.stringify(target)}`), timeoutMs)
  const settle = () => {
    clearTimeout(timer)
    socket.off('connect', connected).off('error', failed).off('close', closed)
  }
  const connected = () => {
    settle()
    done(null, socket)
  }
  const fail = (message: string) => {
    settle()
    // It may fail once more while it goes.
    socket.on('error', () => undefined)
    socket.destroy()
    done(message, null)
  }
  const failed = (error: Error) => fail(textOf(error))
  const closed = () => fail('the connection closed before it was made')
  socket.on('connect', connected).on('error', failed).on('close', closed)
}

/** A host with several addresses fails with an error for each, and no text of its own. */
function textOf(error: Error): string {
  if (error.message) return error.message
  return error instanceof AggregateError ? error.errors.map((one: Error) => one.message).join(', ') : error.name
}
