import type { Server, Socket } from 'node:net'
import { CidrMap, parseCidr, parseIp } from '../keys/address'
import type { Runtime } from './runtime'
import type { HarakaPlugin, HarakaServer } from './types'

/** Haraka's list of proxies is read again so often, and only while clients are turned away. */
const PROXIES_MS = 10_000
type Handler = (socket: Socket) => void

/**
 * Turns clients away before Haraka makes a session of them, which costs several times as much as saying 421. Only what
 * plugin overload defers; whoever is let in is judged as ever. Sockets that speak TLS from the first byte cannot be told
 * 421, and behind a proxy everybody has its address: both go on to the hooks.
 */
export function keepDoor(plugin: HarakaPlugin, server: HarakaServer, runtime: Runtime): void {
  const isProxy = proxiesOf(plugin)
  for (const listener of server.listeners ?? []) {
    if (listener.has_tls === false) watch(listener, (ip, port) => runtime.refuseAtDoor(ip, port, isProxy))
  }
}

/** Says who is turned away, and with which line. */
type Refuse = (ip: string, port: number) => string | false

function watch(listener: Server, refuse: Refuse): void {
  const handlers = listener.listeners('connection') as Handler[]
  listener.removeAllListeners('connection')
  listener.on('connection', (socket: Socket) => {
    const line = refuse(unmapped(socket.remoteAddress ?? ''), socket.localPort ?? 0)
    if (line === false) for (const handle of handlers) handle.call(listener, socket)
    else turnAway(socket, line)
  })
}

/** A socket for both families shows `::ffff:192.0.2.1`; everywhere else the client is 192.0.2.1. */
function unmapped(ip: string): string {
  return ip.startsWith('::ffff:') && ip.includes('.') ? ip.slice('::ffff:'.length) : ip
}

function turnAway(socket: Socket, line: string): void {
  // A client that has gone already needs no answer.
  socket.on('error', () => undefined)
  socket.end(`${line}\r\n`)
  socket.destroySoon()
}

function proxiesOf(plugin: HarakaPlugin): (ip: string) => boolean {
  let [known, readAt] = [new CidrMap<true>(), -Infinity]
  return (ip) => {
    if (performance.now() - readAt > PROXIES_MS) [known, readAt] = [readProxies(plugin), performance.now()]
    if (known.empty) return false
    const address = parseIp(ip)
    return address !== undefined && known.find(address) === true
  }
}

interface ConnectionIni {
  readonly haproxy?: { readonly hosts?: string | readonly string[] }
}

/** As haraka-net-utils reads them: an IPv6 address without bits is a /64. */
function readProxies(plugin: HarakaPlugin): CidrMap<true> {
  const { haproxy } = plugin.config.get('connection.ini', 'ini') as ConnectionIni
  const ranges = [haproxy?.hosts ?? []]
    .flat()
    .map((host) => parseCidr(host.includes(':') && !host.includes('/') ? `${host}/64` : host))
  return new CidrMap(ranges.filter((range) => range !== undefined).map((range) => [range, true]))
}
