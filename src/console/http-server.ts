import { API_PREFIX, type ApiDoor } from './api'
import { UNSUBSCRIBE_PREFIX, type UnsubscribeDoor } from './unsubscribe'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'

/** What `/readyz` answers: 200 when `ready`, else 503; the whole of it as JSON. */
export interface Health {
  readonly ready: boolean
  /** Ready, but worse than it should be: the shared store is lost, say. */
  readonly degraded: boolean
  /** Why it is not ready or degraded, for people. */
  readonly reasons: readonly string[]
}

export interface HttpOptions {
  /** Without brackets. What is served tells about the mail that flows: loopback, unless a firewall stands before it. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Prometheus text, format 0.0.4. */
  readonly metrics: () => Promise<string>
  readonly health: () => Health
  /** Serves what begins with /api/; undefined: nothing there. */
  readonly api?: ApiDoor | undefined
  /** Serves what begins with /unsubscribe/; undefined: nothing there. */
  readonly unsubscribe?: UnsubscribeDoor | undefined
  /** Told once when it cannot listen, and once when it can after all. */
  readonly onNotice: (message: string) => void
  /** Between attempts to listen; default 10 s. */
  readonly retryMs?: number
}

export interface HttpServer {
  /** The port listened on; the one asked for while it is not. */
  readonly port: number
  readonly listening: boolean
  /** Ends open requests too. Idempotent. */
  close(): Promise<void>
}

const RETRY_MS = 10_000
const MOST_SOCKETS = 64
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
}

/**
 * Serves metrics and health. Resolves when the first attempt to listen has ended, well or not: a port in use is told,
 * tried again and never stops the mail. Never rejects.
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer(LIMITS, requestListener(options))
  server.maxConnections = MOST_SOCKETS
  // Mail keeps a process alive, this does not.
  server.unref()
  const listener = new Listener(server, options)
  await listener.attempt()
  return listener
}

class Listener implements HttpServer {
  private timer: NodeJS.Timeout | undefined
  private told = false
  private closing: Promise<void> | undefined

  constructor(
    private readonly server: Server,
    private readonly options: HttpOptions,
  ) {
    // While nothing is attempted: such as a socket that cannot be accepted for want of descriptors.
    server.on('error', () => undefined)
  }

  get port(): number {
    const address = this.server.address()
    return address === null || typeof address === 'string' ? this.options.port : address.port
  }

  get listening(): boolean {
    return this.server.listening
  }

  attempt(): Promise<void> {
    const { server, options } = this
    return new Promise((resolve) => {
      const settle = (error?: NodeJS.ErrnoException) => {
        server.removeListener('error', settle)
        server.removeListener('listening', settle)
        if (this.closing) server.close()
        else if (error) this.retryLater(error)
        else if (this.told) options.onNotice(`http: listening on ${this.where()} after all`)
        resolve()
      }
      server.once('error', settle)
      server.once('listening', settle)
      server.listen({ host: options.host, port: options.port, exclusive: true })
    })
  }

  close(): Promise<void> {
    clearTimeout(this.timer)
    this.closing ??= new Promise((resolve) => {
      this.server.close(() => resolve())
      this.server.closeAllConnections()
    })
    return this.closing
  }

  private retryLater(error: NodeJS.ErrnoException): void {
    const { retryMs = RETRY_MS, onNotice } = this.options
    this.timer = setTimeout(() => void this.attempt(), retryMs).unref()
    if (this.told) return
    this.told = true
    onNotice(
      `http: cannot listen on ${this.where()}: ${reasonOf(error)}; metrics and health are not served, mail goes on. ` +
        `Tried again every ${Math.ceil(retryMs / 1000)} s; to mend it, free the port, or set http.listen in sluice.yaml ` +
        'to another HOST:PORT or to false',
    )
  }

  private where(): string {
    const { host } = this.options
    return `${host.includes(':') ? `[${host}]` : host}:${this.port}`
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another process has that port (EADDRINUSE)'
    case 'EACCES':
      return 'this user may not use that port (EACCES)'
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `this host has no such address (${code})`
    case undefined:
    default:
      return message
  }
}

interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
}

const TEXT = 'text/plain; charset=utf-8'
const HTML = 'text/html; charset=utf-8'
/** A form, and nothing from anywhere. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
const JSON_TYPE = 'application/json; charset=utf-8'
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const FRONT =
  'Sluice, for Haraka\n\n/metrics  figures for Prometheus\n/healthz  200 while the process lives\n/readyz   200 when mail is judged, 503 and the reasons when not\n/api/bans the block list; wants the token of http.token_file\n'

type Route = () => Reply | Promise<Reply>

function requestListener(options: HttpOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const routes = new Map<string, Route>([
    ['/', () => ({ status: 200, type: TEXT, body: FRONT })],
    ['/healthz', () => json(200, { alive: true, uptimeSeconds: Math.floor(process.uptime()) })],
    ['/readyz', () => readiness(options.health())],
    ['/metrics', sharedScrape(options.metrics)],
  ])
  return (request, response) => {
    if (options.api && request.url!.startsWith(API_PREFIX)) {
      void options.api.answer(request).then(({ status, body, ends }) => {
        if (ends) response.setHeader('Connection', 'close')
        send(request, response, json(status, body))
      })
      return
    }
    if (options.unsubscribe && request.url!.startsWith(UNSUBSCRIBE_PREFIX)) {
      void options.unsubscribe.answer(request).then(({ status, body, ends }) => {
        if (ends) response.setHeader('Connection', 'close')
        if (status === 405) response.setHeader('Allow', 'GET, HEAD, POST')
        response.setHeader('Content-Security-Policy', PAGE_POLICY)
        response.setHeader('Referrer-Policy', 'no-referrer')
        send(request, response, { status, type: HTML, body })
      })
      return
    }
    const route = routes.get(request.url!.split('?', 1)[0]!)
    if (!route) return send(request, response, { status: 404, type: TEXT, body: 'Not found. See /\n' })
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD')
      // A body that comes along is not read: the socket ends with this answer.
      response.setHeader('Connection', 'close')
      return send(request, response, { status: 405, type: TEXT, body: 'Only GET and HEAD\n' })
    }
    void answer(route).then((reply) => send(request, response, reply))
  }
}

async function answer(route: Route): Promise<Reply> {
  try {
    return await route()
  } catch (error) {
    return { status: 500, type: TEXT, body: `${error instanceof Error ? error.message : String(error)}\n` }
  }
}

function readiness(health: Health): Reply {
  return json(health.ready ? 200 : 503, health)
}

/** Scrapes that come while one is under way share its result: they cost the workers nothing. */
function sharedScrape(metrics: () => Promise<string>): Route {
  let underWay: Promise<string> | undefined
  return async () => {
    underWay ??= metrics().finally(() => {
      underWay = undefined
    })
    return { status: 200, type: METRICS_TYPE, body: await underWay }
  }
}

function json(status: number, value: unknown): Reply {
  return { status, type: JSON_TYPE, body: JSON.stringify(value) + '\n' }
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Reply): void {
  response.statusCode = status
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.end(request.method === 'HEAD' ? undefined : body)
}
