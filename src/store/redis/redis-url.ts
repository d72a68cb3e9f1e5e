import { StoreError } from '../store'

/** Where a Redis is and how to log in, as read from a URL. */
export interface RedisTarget {
  readonly mode: 'single' | 'sentinel' | 'cluster'
  /** Of the server, the sentinels or the first nodes of the cluster; empty for a socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly socketPath?: string
  readonly tls: boolean
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** Sentinel only: the name of the monitored primary. */
  readonly primary?: string
}

const FORMS =
  'redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:/path/redis.sock[?db=1&username=…&password=…], ' +
  'redis+sentinel://[user:password@]host:port,host:port/primary[/db] or redis+cluster://[user:password@]host:port,host:port'
const SCHEME = /^(?<scheme>unix|rediss?(?:\+sentinel|\+cluster)?):(?<rest>.*)$/
const AUTHORITY = /^\/\/(?:(?<login>.*)@)?(?<hosts>[^@/?]*)(?<path>\/[^?]*)?$/
const HOST = /^(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/
const BEFORE_HOST = /^((?:rediss?(?:\+[a-z]+)?|unix):|[a-z+]+:(?=\/\/))?(\/\/)?.*@/is
const SECRET_PARAMETERS = /([?&](?:password|username)=)[^&]*/gi

/** Reads a URL of one of the documented forms. Throws {@link StoreError} STORE_UNUSABLE, without secrets in its text. */
export function parseRedisUrl(url: string): RedisTarget {
  const { scheme, rest } = SCHEME.exec(url)?.groups ?? {}
  if (scheme === undefined || rest === undefined) throw unusable(url, 'it has no scheme of Redis')
  if (scheme === 'unix') return parseSocketUrl(url, rest)
  const parts = AUTHORITY.exec(rest)?.groups
  if (!parts) throw unusable(url, 'host, port and path cannot be told apart')
  const mode = scheme.endsWith('+sentinel') ? 'sentinel' : scheme.endsWith('+cluster') ? 'cluster' : 'single'
  const port = mode === 'sentinel' ? 26379 : 6379
  const hosts = (parts['hosts'] ?? '').split(',').map((host) => parseHost(url, host, port))
  if (mode === 'single' && hosts.length > 1) throw unusable(url, 'only +sentinel and +cluster take several hosts')
  const path = (parts['path'] ?? '').split('/').filter((part) => part !== '')
  const primary = mode === 'sentinel' ? path.shift() : undefined
  if (mode === 'sentinel' && primary === undefined) throw unusable(url, 'the name of the monitored primary is missing')
  if (path.length > 1) throw unusable(url, 'its path is too long')
  const database = parseDatabase(url, path[0])
  if (mode === 'cluster' && database !== 0) throw unusable(url, 'a cluster has only database 0')
  return {
    mode,
    hosts,
    tls: scheme.startsWith('rediss'),
    database,
    ...parseLogin(url, parts['login']),
    ...(primary === undefined ? {} : { primary: decode(url, primary) }),
  }
}

/** The URL as people may see it: user and password are replaced, whatever shape the URL has. */
export function redactUrl(url: string): string {
  return url.replace(BEFORE_HOST, '$1$2***@').replace(SECRET_PARAMETERS, '$1***')
}

/** Takes secrets out of a text that somebody else wrote, such as a server's error. */
export function redactText(text: string, target: RedisTarget): string {
  const { password } = target
  if (password === undefined || password === '') return text
  return text.replaceAll(password, '***').replaceAll(encodeURIComponent(password), '***')
}

function parseSocketUrl(url: string, rest: string): RedisTarget {
  const [path = '', query = ''] = rest.split('?', 2)
  const socketPath = path.replace(/^\/\/(?=\/)/, '')
  if (!socketPath.startsWith('/')) throw unusable(url, 'the path of the socket must be absolute')
  const parameters = new URLSearchParams(query)
  const username = parameters.get('username')
  const password = parameters.get('password')
  return {
    mode: 'single',
    hosts: [],
    socketPath: decode(url, socketPath),
    tls: false,
    database: parseDatabase(url, parameters.get('db') ?? undefined),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
  }
}

function parseHost(url: string, text: string, defaultPort: number): { host: string; port: number } {
  const { host, port } = HOST.exec(text)?.groups ?? {}
  if (host === undefined) throw unusable(url, 'a host is missing or malformed')
  const number = port === undefined ? defaultPort : Number(port)
  if (number < 1 || number > 65535) throw unusable(url, `${number} is no port`)
  return { host: host.replace(/^\[|\]$/g, ''), port: number }
}

function parseDatabase(url: string, text: string | undefined): number {
  if (text === undefined) return 0
  if (!/^\d{1,5}$/.test(text)) throw unusable(url, 'the database must be a number')
  return Number(text)
}

function parseLogin(url: string, login: string | undefined): { username?: string; password?: string } {
  if (login === undefined || login === '') return {}
  const colon = login.indexOf(':')
  const username = decode(url, colon < 0 ? login : login.slice(0, colon))
  const password = colon < 0 ? '' : decode(url, login.slice(colon + 1))
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decode(url: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw unusable(url, 'a % in it starts no valid escape; write %25 for a percent sign')
  }
}

function unusable(url: string, why: string): StoreError {
  return new StoreError('STORE_UNUSABLE', `the Redis URL "${redactUrl(url)}" cannot be used: ${why}. Write ${FORMS}`)
}
