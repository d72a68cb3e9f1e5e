import type { FailureKind } from '../../egress/attempt'
import { failureOf, textOf } from './failures'
import type { Mx, PluggableSocket, TlsSocketModule } from './types'

/** `text` is in the words that hmail.js looks for. */
export type Dialled =
  | { readonly socket: PluggableSocket; readonly ms: number }
  | { readonly socket?: undefined; readonly failure: FailureKind; readonly text: string }

/**
 * Connects as Haraka's own get_client does, except that small writes leave at once: with Nagle's algorithm each command after
 * the first waits for an acknowledgement. `done` gets a connected socket without listeners, or what went wrong.
 */
export function dial(tls: TlsSocketModule, mx: Mx, timeoutMs: number, done: (result: Dialled) => void): void {
  const target = mx.path ? { path: mx.path } : { port: mx.port, host: mx.exchange, localAddress: mx.bind }
  const startedAt = performance.now()
  const socket = tls.connect({ ...target, noDelay: true })
  const late = () => fail('timeout', `connection timed out to outbound::${JSON.stringify(target)}`)
  const timer = setTimeout(late, timeoutMs)
  const settle = () => {
    clearTimeout(timer)
    socket.off('connect', connected).off('error', failed).off('close', closed)
  }
  const connected = () => {
    settle()
    done({ socket, ms: performance.now() - startedAt })
  }
  const fail = (failure: FailureKind, text: string) => {
    settle()
    // It may fail once more while it goes.
    socket.on('error', () => undefined)
    socket.destroy()
    done({ failure, text })
  }
  const failed = (error: Error) => fail(failureOf(error), textOf(error))
  const closed = () => fail('closed', 'the connection closed before it was made')
  socket.on('connect', connected).on('error', failed).on('close', closed)
}
