import { readdirSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../test/support/haraka'
import { BENCH_PLUGIN } from './egress-plugin'
import { fillQueue } from './egress-queue'

export interface SenderOptions {
  /** Text of config/sluice/providers.yaml; without, Haraka delivers as it does by itself. */
  readonly providers?: string
  /** Lines of config/outbound.ini. */
  readonly outbound: string
  /** Ports of the hosts on loopback that take the mail of these domains. */
  readonly hosts: Readonly<Record<string, number>>
  readonly nodes?: number
  readonly nodeArgs?: readonly string[]
  /** A directory with a queue. */
  readonly dir?: string
}

/** What the process of a sender needs. Delays of its event loop in ms, since this was last asked. */
export interface SenderFigures {
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** After a garbage collection, where Node has --expose-gc. */
  readonly heapUsed: number
  readonly rss: number
  readonly cpuSeconds: number
}

export interface SenderProgress {
  /** Messages that Haraka has handed to the hooks of send_email so far. */
  readonly handedOver: number
  /** Messages in Haraka's own delivery queue. */
  readonly queued: number
}

/** A Haraka that delivers what is in its queue. */
export class Sender {
  private constructor(readonly server: HarakaServer) {}

  static async start({ providers, outbound, hosts, nodes, nodeArgs, dir }: SenderOptions): Promise<Sender> {
    const server = await HarakaServer.start({
      sluice: '',
      plugins: ['no_rdns', 'bench', ...(providers === undefined ? [] : ['sluice/plugins/egress'])],
      files: {
        'outbound.ini': `local_mx_ok=true\n${outbound}`,
        'bench_hosts.json': JSON.stringify(hosts),
        '../plugins/bench.js': BENCH_PLUGIN,
        ...(providers === undefined ? {} : { 'sluice/providers.yaml': providers }),
      },
      logLevel: 'error',
      quiet: true,
      ...(nodes === undefined ? {} : { nodes }),
      ...(nodeArgs === undefined ? {} : { nodeArgs }),
      ...(dir === undefined ? {} : { dir }),
    })
    return new Sender(server)
  }

  /** Queues messages that are held in memory until {@link go}. */
  async hold(domain: string, messages: number): Promise<void> {
    // Haraka would take up what is written while it looks into its queue.
    await this.ask('started')
    const firstDue = Date.now()
    fillQueue(this.queue, { domain, messages, firstDue })
    const loaded = await this.ask('load', { since: firstDue })
    if (loaded !== messages) throw new Error(`${loaded} messages were read, not ${messages}:\n${this.server.log}`)
  }

  /** Hands what was loaded to Haraka's delivery queue. */
  async go(): Promise<void> {
    await this.ask('go')
  }

  async progress(): Promise<SenderProgress> {
    return (await this.ask('progress')) as SenderProgress
  }

  async figures(): Promise<SenderFigures> {
    return (await this.ask('figures')) as SenderFigures
  }

  /** Waits until the queue is empty: a file is removed a moment after its message was taken. */
  async emptied(): Promise<void> {
    for (let turn = 0; readdirSync(this.queue).length > 0; turn++) {
      if (turn === 500) throw new Error(`${readdirSync(this.queue).length} files are left:\n${this.server.log}`)
      await delay(20)
    }
  }

  private get queue(): string {
    return path.join(this.server.dir, 'queue')
  }

  private async ask(op: string, order: object = {}): Promise<unknown> {
    const socket = net.connect(path.join(this.server.dir, 'bench.sock'))
    socket.write(JSON.stringify({ op, ...order }))
    for await (const line of createInterface(socket)) {
      socket.destroy()
      return JSON.parse(line)
    }
    throw new Error(`no answer to ${op}:\n${this.server.log}`)
  }
}
