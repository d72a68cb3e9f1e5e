import { createServer } from 'node:net'
import { parseIp } from '../keys/address'
import { CliError } from './terminal'

/** Where something listens: `host` without brackets. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Reads `HOST:PORT` and `[2001:db8::1]:PORT`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]]+)):(\d{1,5})$/i.exec(text.trim())
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65_535) return undefined
  return { host: match[1] ?? match[2]!, port }
}

/** The same for an option of the command line. Throws a usage error. */
export function readEndpoint(option: string, text: string): Endpoint {
  const endpoint = parseEndpoint(text)
  if (endpoint) return endpoint
  throw new CliError(`${option} "${text}": write HOST:PORT, such as 127.0.0.1:2525 or [::1]:2525`, 2)
}

export function endpointText({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const address = parseIp(host)
  if (!address) return false
  if (address.family === 4) return address.bytes[0] === 127
  return address.bytes.every((byte, index) => byte === (index === 15 ? 1 : 0))
}

/** Why this process cannot listen there (an errno code such as EADDRINUSE), or undefined when it can. */
export function whyNotListen({ host, port }: Endpoint): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}
