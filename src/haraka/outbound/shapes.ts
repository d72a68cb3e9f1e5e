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
  try_deliver: [
    "this.temp_fail('Tried all MXs')",
    'this.mxlist.shift()',
    'this.force_tls = this.get_force_tls(mx)',
    'client_pool.get_client(mx, (',
  ],
  try_deliver_host_on_socket: [
    'client_pool.release_client(socket, mx)',
    "socket.on('line', ",
    "socket.once('secure', ",
    'socket.upgrade(tls_options, (authorized, verifyError, cert, cipher)',
    "send_command('QUIT')",
    'self.split_to_new_recipients(fail_recips, ',
    'self.split_to_new_recipients(bounce_recips, ',
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

/** What holding mail leans on, outbound/hmail.js: functions with their parameters, and calls that stand in them. */
const HOLDING: Readonly<Record<string, readonly [parameters: number, ...calls: string[]]>> = {
  send_email_respond: [2, 'this.get_mx()'],
  get_mx: [0],
  get_mx_respond: [2, 'case constants.ok', 'new net_utils.HarakaMx(m)', 'this.found_mx(mx_list)'],
  temp_fail: [2, 'this.num_failures++', 'obc.cfg.temp_fail_intervals.length', "plugins.run_hooks('deferred', this, "],
  deferred_respond: [3, 'retval === constants.denysoft', 'this.next_cb()', 'temp_fail_queue.add(this.filename, '],
  convert_temp_failed_to_bounce: [2, 'return this.bounce(err, extra)'],
  bounce: [2],
  bounce_respond: [1, 'this.discard()'],
  discard: [0, 'this.refcount--', 'this.next_cb()'],
  split_to_new_recipients: [3, 'hmail.refcount++', 'outbound.build_todo(new_todo, ws, write_more)'],
  // Files that cannot be read: see unreadable.ts.
  size_file: [0, 'this.read_todo()', 'this.next_cb()'],
  read_todo: [0, "this.emit('ready')", "this.emit('error', ", 'this.temp_fail('],
  send: [0, "this.once('ready', "],
}

/** The modules of Haraka's outbound that mail is held with. */
export interface Holding {
  readonly hmail: Readonly<Record<string, unknown>>
  readonly queue: {
    readonly load_queue_files: unknown
    readonly _add_hmail: unknown
    readonly delivery_queue: { readonly push: unknown }
  }
  readonly writer: Readonly<Record<'build_todo', unknown>> & {
    readonly names: Readonly<Record<'name' | 'parts' | 'platformDOT', unknown>>
  }
  readonly config: { readonly cfg: { readonly temp_fail_intervals: unknown } }
}

/** What of it is not as it was in the release that this was made for; nothing when all is. */
export function holdingDifferences({ hmail, queue, writer, config }: Partial<Holding>): string[] {
  const found: string[] = []
  for (const [name, [parameters, ...calls]] of Object.entries(HOLDING)) {
    found.push(...differencesOf(`HMailItem.${name}`, hmail?.[name], parameters, calls))
  }
  found.push(...differencesOf('queue.load_queue_files', queue?.load_queue_files, 3, ['input_files.map(']))
  found.push(...differencesOf('queue._add_hmail', queue?._add_hmail, 1, ['exports.cur_time']))
  found.push(...differencesOf('delivery_queue.push', queue?.delivery_queue?.push, 1))
  found.push(...differencesOf('outbound.build_todo', writer?.build_todo, 3, ['ws.write(']))
  found.push(...differencesOf('qfile.name', writer?.names?.name, 1, ['o.arrival', 'o.next_attempt', 'o.attempts']))
  found.push(...differencesOf('qfile.parts', writer?.names?.parts, 1, ['next_attempt: ']))
  if (typeof writer?.names?.platformDOT !== 'string') found.push('qfile.platformDOT is no text')
  if (!Array.isArray(config?.cfg?.temp_fail_intervals)) found.push('config.cfg.temp_fail_intervals is no list')
  return found
}

/** What of Haraka's client_pool and sockets is not as it was in the release that this was made for; nothing when all is. */
export function differences({ clientPool, hmail, tls }: Partial<Replaced>): string[] {
  return [
    ...differencesOf('client_pool.get_client', clientPool?.get_client, 2),
    ...differencesOf('client_pool.release_client', clientPool?.release_client, 2),
    ...differencesOf('tls_socket.connect', tls?.connect, 0),
    ...(Object.keys(CALLS) as (keyof HMailPrototype)[]).flatMap((name) =>
      differencesOf(`HMailItem.${name}`, hmail?.[name], PARAMETERS[name], CALLS[name]),
    ),
  ]
}

function differencesOf(name: string, value: unknown, parameters: number, calls: readonly string[] = []): string[] {
  if (typeof value !== 'function') return [`${name} is no function`]
  if (value.length !== parameters) return [`${name} takes ${value.length} arguments, not ${parameters}`]
  const source = Function.prototype.toString.call(value)
  return calls.filter((call) => !source.includes(call)).map((call) => `${name} does not say ${call}`)
}
