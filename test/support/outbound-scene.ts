import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Attempt } from '../../src/egress/attempt'
import type { EgressProfile } from '../../src/egress/profile'
import { HarakaServer } from './haraka'
import { SmtpClient } from './smtp-client'
import { CERTIFICATE, type SinkOptions, SmtpSink } from './smtp-sink'

const DIST = path.resolve(__dirname, '../../dist/src')

/** Relay for this client only: relay_acl_allow. */
const SENDER = '127.0.0.99'
/** One delivery at a time, so that what a session carries is known. */
export const SERIAL = 'concurrency_max=1\n'
/** The shortest that Haraka retries after. */
const RETRIES = 'temp_fail_intervals=5s*20\n'

/** For plugin egress: sessions as these tests count them, and no limit that they would meet. */
const QUICK = `default:
  message_rate: 10000/s
  connection_rate: 1000/s
  connections: 100
  sessions: {messages: 50, idle: 5s}
  retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}
`

export interface SceneOptions {
  /** More of outbound.ini. */
  readonly outbound?: string
  readonly plugins?: readonly string[]
  readonly graceful?: boolean
  readonly nodes?: number
  /** What every delivery goes by, instead of what plugin egress says; each attempt is then told in the log. */
  readonly profile?: Partial<SessionProfile>
  /** More properties of the hosts of every domain: one for each sink, in order. */
  readonly mx?: Readonly<Record<string, unknown>>
  /** Haraka believes the sinks to be `sink.test`. */
  readonly trustsSinks?: boolean
  /** More files of config/, by name. */
  readonly files?: Readonly<Record<string, string>>
}

export type SessionProfile = Pick<EgressProfile, 'sessions' | 'timeouts' | 'tls'>

/** What an attempt is told as. */
export type TellsOf = Pick<Attempt, 'hosts' | 'outcome' | 'recipients'> & { readonly cause: string | undefined }

/** A Haraka that delivers to sinks, and a client that gives it messages. */
export class OutboundScene {
  readonly sent: string[] = []

  private constructor(
    readonly sinks: readonly SmtpSink[],
    readonly haraka: HarakaServer,
  ) {}

  /** One sink for each of `sinks`; the first is the best host of every domain. */
  static async start(sinks: readonly SinkOptions[], options: SceneOptions = {}): Promise<OutboundScene> {
    const { outbound = '', plugins = ['sluice/plugins/egress'], graceful = false, nodes = 0, profile } = options
    const started = await Promise.all(sinks.map((one) => SmtpSink.start(one)))
    const names = options.trustsSinks && { from_dns: 'sink.test' }
    const hosts = started.map(({ port }, priority) => ({
      priority,
      exchange: '127.0.0.1',
      port,
      ...names,
      ...options.mx,
    }))
    const own = profile ? ['sessions_by_profile'] : plugins
    const haraka = await HarakaServer.start({
      ...{ sluice: '', graceful, nodes },
      plugins: ['no_rdns', 'relay', 'to_sink', ...own],
      ...(options.trustsSinks && { env: { NODE_EXTRA_CA_CERTS: certificateFile() } }),
      files: {
        'outbound.ini': `local_mx_ok=true\n${RETRIES}${outbound}`,
        '../plugins/to_sink.js': `exports.hook_get_mx = (next) => next(OK, ${JSON.stringify(hosts)})\n`,
        'sluice/providers.yaml': QUICK,
        '../plugins/sessions_by_profile.js': sessionsBy({ ...PROFILE, ...profile }),
        ...options.files,
      },
    })
    if (own.length > 0) await haraka.waitForLog(/outbound sessions are reused/)
    return new OutboundScene(started, haraka)
  }

  /** The best host. */
  get sink(): SmtpSink {
    return this.sinks[0]!
  }

  /** Queues messages, one after another, with ids that all differ. */
  async send(count: number, body = 'hello', recipients: readonly string[] = ['bob@far.test']): Promise<void> {
    const client = await SmtpClient.greet(this.haraka.port, SENDER)
    for (let number = 0; number < count; number++) {
      const id = `m${this.sent.length}@near.test`
      const text = `Message-Id: <${id}>\r\nSubject: test\r\n\r\n${body}`
      const reply = await client.send('ann@near.test', recipients, text)
      assert.equal(reply.code, 250, reply.text)
      this.sent.push(id)
    }
    await client.quit()
  }

  /** Every message once, nothing left behind: no queue file, no connection. */
  async settled(): Promise<void> {
    const { sink, sent } = this
    await sink.until('all messages', () => sink.messages.length >= sent.length, 40_000)
    await this.closed()
    assert.deepEqual(sink.messages.map(({ id }) => id).sort(), [...sent].sort())
    await this.emptied()
  }

  async closed(): Promise<void> {
    for (const sink of this.sinks) await sink.until('all closed', () => sink.open === 0)
  }

  /** Haraka removes a file a moment after the message was taken. */
  async emptied(): Promise<void> {
    for (let turn = 0; turn < 100 && this.queued().length > 0; turn++) await delay(20)
    assert.deepEqual(this.queued(), [])
  }

  queued(): string[] {
    return readdirSync(path.join(this.haraka.dir, 'queue'))
  }

  /** What the log tells of attempts that ended, once there are so many. */
  async attempts(count: number): Promise<TellsOf[]> {
    await this.haraka.waitForLog(new RegExp(`(?:attempt \\{.*[^]*?){${count}}`), 20_000)
    return [...this.haraka.log.matchAll(/attempt (\{.*\})/g)].map(([, json]) => JSON.parse(json!) as TellsOf)
  }

  async stop(): Promise<void> {
    await this.haraka.remove()
    for (const sink of this.sinks) await sink.stop()
  }
}

const PROFILE: SessionProfile = {
  sessions: { messages: 50, idleMs: 300 },
  tls: { demand: 'opportunistic', minVersion: undefined },
  timeouts: {
    ...{ connectMs: 5000, greetingMs: 5000, ehloMs: 5000, starttlsMs: 5000 },
    ...{ mailMs: 5000, rcptMs: 5000, dataMs: 5000, dotMs: 5000 },
  },
}

/** For a test of one phase. */
export function hurried(phase: keyof SessionProfile['timeouts'], ms: number): Pick<SessionProfile, 'timeouts'> {
  return { timeouts: { ...PROFILE.timeouts, [phase]: ms } }
}

/** The certificate of the sinks, for a Haraka that is to believe it. */
function certificateFile(): string {
  const file = path.join(os.tmpdir(), `sluice-sink-${process.pid}.pem`)
  writeFileSync(file, CERTIFICATE.cert)
  return file
}

/** A plugin that has all sessions go by one profile, and tells of each attempt in the log. */
function sessionsBy(profile: SessionProfile): string {
  return `
const { reuseSessions } = require('${DIST}/haraka/outbound/install.js')
const { demandsOfProfile } = require('${DIST}/haraka/outbound/demands.js')
const { Attempt, tellCause } = require('${DIST}/egress/attempt.js')
const demands = demandsOfProfile('egress|default|far', ${JSON.stringify(profile)})
const attempts = new WeakMap()
const begin = (plugin) => reuseSessions(plugin, {
  demandsOf: () => demands,
  attemptOf: (hmail) => attempts.get(hmail),
  mayConnect: () => undefined,
  changed: () => undefined,
})
exports.hook_init_master = function (next, server) {
  if (!server.cluster) begin(this)
  next()
}
exports.hook_init_child = function (next) {
  begin(this)
  next()
}
exports.hook_send_email = function (next, hmail) {
  const attempt = new Attempt(hmail.todo.rcpt_to.map(({ address }) => address))
  attempts.set(hmail, attempt)
  const done = hmail.next_cb
  hmail.next_cb = () => {
    hmail.next_cb = done
    const { hosts, outcome, recipients, lastCause } = attempt
    this.loginfo('attempt ' + JSON.stringify({ hosts, outcome, recipients, cause: lastCause && tellCause(lastCause) }))
    done()
  }
  next()
}
`
}
