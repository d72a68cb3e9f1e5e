import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { DnsServer } from './dns-server'
import { HarakaServer } from './haraka'
import { eventually } from './mail-ledger'
import { RedisServer } from './redis-server'
import { SmtpClient } from './smtp-client'
import { type SinkOptions, SmtpSink } from './smtp-sink'

/** Relay for this client only: relay_acl_allow. */
export const SENDER = '127.0.0.99'
/** Accounts that may log in, all with this password. */
const PASSWORD = 'secret'
const ACCOUNTS = ['shop@example.com', 'ann@example.com', 'bob@example.org', 'eve@example.net']
/** Enough for any test, and soon. */
const QUICK = 'default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}}\n'

export interface MailServerOptions {
  /** Text of config/sluice/providers.yaml, in place of one that retries each second. */
  readonly providers?: string
  /** More lines of config/sluice.yaml. */
  readonly sluice?: string
  readonly plugins?: readonly string[]
  readonly files?: Readonly<Record<string, string>>
  readonly nodes?: number
  readonly graceful?: boolean
  /** An existing directory to start again in. */
  readonly dir?: string
  readonly env?: Readonly<Record<string, string>>
  /** See {@link HarakaOptions.under}. */
  readonly under?: readonly string[]
}

/** What a message was sent as. */
export interface Posted {
  readonly id: string
  readonly to: readonly string[]
}

/** What is sent, by whom. */
export interface Mail {
  readonly to?: readonly string[]
  readonly from?: string
  /** Lines of the header, each with its end. */
  readonly headers?: string
  readonly body?: string
  readonly account?: string
  /** Address of the client. */
  readonly client?: string
}

/** Of this process alone: tests of several run side by side, all hosts at port 25. */
const NETWORK = `127.${64 + (process.pid % 128)}.${(process.pid >> 7) % 256}`
let hosts = 0

/** The rest of the mail world on loopback: a DNS server, and hosts at port 25 of addresses of their own. */
export class MailWorld {
  /** Ids of all messages that were sent, in order. */
  readonly sent: string[] = []
  readonly posted: Posted[] = []
  readonly servers: HarakaServer[] = []
  readonly sinks: SmtpSink[] = []
  private readonly stores: RedisServer[] = []
  private numbered = 0

  private constructor(readonly dns: DnsServer) {}

  static async start(): Promise<MailWorld> {
    return new MailWorld(await DnsServer.start())
  }

  /** A host that takes the mail of a domain; its MX is `mx.DOMAIN`. */
  async domain(domain: string, options: SinkOptions = {}): Promise<SmtpSink> {
    const [sink, host] = await startSomewhere(options)
    this.sinks.push(sink)
    this.mx(domain, `mx.${domain}`, host)
    return sink
  }

  /** Hosts that share the mail of a domain, the preferred first. Nobody listens where a `dead` one should be. */
  async hosts(domain: string, all: readonly (SinkOptions | 'dead')[]): Promise<SmtpSink[]> {
    const started: SmtpSink[] = []
    const names: string[] = []
    for (const [place, options] of all.entries()) {
      const host = `${NETWORK}.${(hosts++ % 250) + 1}`
      const name = `mx${place + 1}.${domain}`
      names.push(name)
      this.dns.records({ [`A ${name}`]: [host] })
      if (options !== 'dead') started.push(await SmtpSink.start({ ...options, host, port: 25 }))
    }
    this.sinks.push(...started)
    const answers = names.map((exchange, place) => {
      return { type: 'MX', name: domain, ttl: 300, data: { preference: 10 * (place + 1), exchange } } as const
    })
    this.dns.serve(domain, ({ type, front }) =>
      front === '' ? { answers: type === 'MX' ? answers : [] } : { rcode: 3 },
    )
    return started
  }

  /** Says where the mail of a domain goes. */
  mx(domain: string, host: string, address?: string): void {
    this.dns.serve(domain, ({ type, front }) => {
      if (front !== '') return { rcode: 3 }
      const data = { preference: 10, exchange: host }
      return { answers: type === 'MX' ? [{ type: 'MX', name: domain, ttl: 300, data }] : [] }
    })
    if (address !== undefined) this.dns.records({ [`A ${host}`]: [address] })
  }

  /** A server that sends; `ann@near.test` may through it. Its own domain near.test is delivered to a sink like others. */
  async server(options: MailServerOptions = {}): Promise<HarakaServer> {
    const { providers = QUICK, sluice = '', plugins = [], files = {}, nodes = 0, graceful = false } = options
    const { dir, env, under } = options
    const server = await HarakaServer.start({
      sluice: `dns: {servers: ['${this.dns.address}']}\n${sluice}`,
      plugins: ['no_rdns', 'relay', 'auth/flat_file', ...plugins, 'sluice/plugins/egress'],
      files: {
        'outbound.ini': 'local_mx_ok=true\nconcurrency_max=200\n',
        'auth_flat_file.ini': `[core]\nmethods=PLAIN\nconstrain_sender=false\n[users]\n${ACCOUNTS.map((name) => `${name}=${PASSWORD}\n`).join('')}`,
        'sluice/providers.yaml': providers,
        ...files,
      },
      nodes,
      graceful,
      ...(dir === undefined ? {} : { dir }),
      ...(env === undefined ? {} : { env }),
      ...(under === undefined ? {} : { under }),
    })
    this.servers.push(server)
    await server.waitForLog(/sessions are reused/)
    return server
  }

  /** A Redis for servers to share. */
  async redis(): Promise<RedisServer> {
    const redis = await RedisServer.start()
    this.stores.push(redis)
    return redis
  }

  /** Queues messages, each with an id of its own. With `account` the client logs in, else it is one that may relay. */
  async send(
    server: HarakaServer,
    count: number,
    { to = ['bob@far.test'], from = 'ann@near.test', headers = '', body = 'hello', account, client: ip }: Mail = {},
  ): Promise<string[]> {
    const client = await this.client(server, account, ip)
    const ids: string[] = []
    for (let number = 0; number < count; number++) {
      const id = `m${this.numbered++}@near.test`
      const text = `Message-Id: <${id}>\r\nSubject: test\r\n${headers}\r\n${body}`
      const reply = await client.send(from, to, text)
      assert.equal(reply.code, 250, reply.text)
      this.sent.push(id)
      this.posted.push({ id, to })
      ids.push(id)
    }
    await client.quit()
    return ids
  }

  /** A session with a server, of an account, or of a client that may relay. */
  async client(server: HarakaServer, account?: string, ip?: string): Promise<SmtpClient> {
    const client = await SmtpClient.greet(server.port, ip ?? (account === undefined ? SENDER : '127.0.0.1'))
    if (account === undefined) return client
    const login = Buffer.from(`\0${account}\0${PASSWORD}`).toString('base64')
    assert.equal((await client.say(`AUTH PLAIN ${login}`)).code, 235)
    return client
  }

  /** Names of the files in a server's queue. */
  queued(server: HarakaServer): string[] {
    return readdirSync(path.join(server.dir, 'queue'))
  }

  /** Waits until nothing is left in the queue: Haraka removes a file a moment after its message was taken. */
  async emptied(server: HarakaServer, timeoutMs = 10_000): Promise<void> {
    await eventually(() => assert.deepEqual(this.queued(server), []), timeoutMs)
  }

  /** Waits until nothing is left in any queue; then these hosts have taken all that was sent, each message once. */
  async settled(...sinks: readonly SmtpSink[]): Promise<void> {
    for (const server of this.servers) await this.emptied(server, 30_000)
    assert.deepEqual(taken(...sinks), [...this.sent].sort())
  }

  /** Stops all that it has started, the servers first. */
  async end(): Promise<void> {
    for (const server of this.servers) await server.remove()
    for (const sink of this.sinks) await sink.stop()
    for (const redis of this.stores) await redis.stop()
    await this.dns.close()
  }
}

async function startSomewhere(options: SinkOptions): Promise<[SmtpSink, string]> {
  for (let tries = 0; ; tries++) {
    const host = `${NETWORK}.${(hosts++ % 250) + 1}`
    try {
      return [await SmtpSink.start({ ...options, host, port: 25 }), host]
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === 100) throw error
    }
  }
}

/** The ids that hosts have taken, sorted; one that was taken twice is there twice. */
export function taken(...sinks: readonly SmtpSink[]): string[] {
  return sinks.flatMap(({ messages }) => messages.map(({ id }) => id)).sort()
}
