/** Who sends in the egress benches: all in the same way, so that they can take turns. */
import { cpuSeconds } from './measure'
import { Sender } from './egress-sender'
import { Postfix } from './postfix'

/** Connections to one host at a time. */
export const CONNECTIONS = 20

export interface Contender {
  readonly name: string
  /** Queues messages, which wait. */
  queue(domain: string, messages: number): Promise<void>
  /** Sends what waits. */
  release(): Promise<void>
  /** Resolves when nothing is left to do. */
  settled(): Promise<void>
  /** CPU seconds used so far; undefined where it is not one process. */
  cpuSeconds(): number | undefined
  stop(): Promise<void>
}

export const NO_RATES = 'unset: [message_rate, connection_rate]'

class HarakaContender implements Contender {
  constructor(
    readonly name: string,
    private readonly sender: Sender,
  ) {}

  queue(domain: string, messages: number): Promise<void> {
    return this.sender.hold(domain, messages)
  }

  release(): Promise<void> {
    return this.sender.go()
  }

  settled(): Promise<void> {
    return this.sender.emptied()
  }

  cpuSeconds(): number {
    return cpuSeconds(this.sender.server.child.pid!)
  }

  stop(): Promise<void> {
    return this.sender.server.remove()
  }
}

class PostfixContender implements Contender {
  readonly name = 'Postfix'

  constructor(private readonly postfix: Postfix) {}

  async queue(_domain: string, messages: number): Promise<void> {
    this.postfix.queue(messages)
  }

  async release(): Promise<void> {
    this.postfix.release()
  }

  settled(): Promise<void> {
    return this.postfix.emptied()
  }

  cpuSeconds(): undefined {
    return undefined
  }

  async stop(): Promise<void> {
    this.postfix.stop()
  }
}

export type Hosts = Readonly<Record<string, number>>

/** Haraka as it is: its limit of deliveries under way is the limit of connections. */
export async function stock(hosts: Hosts): Promise<Contender> {
  return new HarakaContender(
    'stock',
    await Sender.start({ outbound: `concurrency_max=${CONNECTIONS}\n`, hosts, nodeArgs }),
  )
}

export async function sluice(hosts: Hosts): Promise<Contender> {
  const providers = `default: {connections: ${CONNECTIONS}, sessions: {messages: 1000}, ${NO_RATES}}\n`
  const sender = await Sender.start({ providers, outbound: 'concurrency_max=200\n', hosts, nodeArgs })
  return new HarakaContender('Sluice', sender)
}

export async function postfix(port: number, tls: boolean): Promise<Contender> {
  const host = `[127.0.0.1]:${port}`
  return new PostfixContender(await Postfix.start({ host, connections: CONNECTIONS, tls }))
}

/** Arguments for the Node of all Harakas, such as `--cpu-prof --cpu-prof-dir=/tmp/profiles`. */
const nodeArgs = (process.env.HARAKA_NODE_ARGS ?? '').split(' ').filter((text) => text !== '')
