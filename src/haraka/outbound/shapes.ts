import type { ClientPool, HMailPrototype, TlsSocketModule } from './types'

/** What the session pool takes the place of, and leans on. */
export interface Replaced {
  readonly clientPool: ClientPool
  readonly hmail: HMailPrototype
  readonly tls: TlsSocketModule
}

/** Calls that must stand in a function, since we are on one of their ends. */
const CALLS: Readonly<Record<keyof HMailPrototype, readonly string[]>> = {
  get_force_tls: [],
  data_stream: ['start: this.data_start', 'end: this.file_size'],
  try_deliver: ['this.mxlist.shift()', 'this.force_tls = this.get_force_tls(mx)', 'client_pool.get_client(mx, ('],
  try_deliver_host_on_socket: [
    'client_pool.release_client(socket, mx)',
    "socket.on('line', ",
    "socket.once('secure', ",
    'socket.upgrade(tls_options, (authorized, verifyError, cert, cipher)',
    "send_command('QUIT')",
    'code.match(/^250/)',
    // A refusal after the dot of LMTP counts for whoever was accepted first: see transaction.ts.
    "if (command === 'dot_lmtp') last_recip = ok_recips.shift()",
    'data_stream.pipe(socket, { end: false })',
  ],
}

const PARAMETERS: Readonly<Record<keyof HMailPrototype, number>> = {
  get_force_tls: 1,
  data_stream: 0,
  try_deliver: 0,
  try_deliver_host_on_socket: 4,
}

/** What of Haraka's outbound is not as it was in the release that this was made for; nothing when all is. */
export function differences({ clientPool, hmail, tls }: Partial<Replaced>): string[] {
  const found: string[] = []
  const expect = (name: string, value: unknown, parameters: number, calls: readonly string[] = []) => {
    if (typeof value !== 'function') found.push(`${name} is no function`)
    else if (value.length !== parameters) found.push(`${name} takes ${value.length} arguments, not ${parameters}`)
    else {
      const source = Function.prototype.toString.call(value)
      for (const call of calls) if (!source.includes(call)) found.push(`${name} does not say ${call}`)
    }
  }
  expect('client_pool.get_client', clientPool?.get_client, 2)
  expect('client_pool.release_client', clientPool?.release_client, 2)
  expect('tls_socket.connect', tls?.connect, 0)
  for (const name of Object.keys(CALLS) as (keyof HMailPrototype)[]) {
    expect(`HMailItem.${name}`, hmail?.[name], PARAMETERS[name], CALLS[name])
  }
  return found
}
