import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Seen, SinkAnswer, SinkOptions, SinkOrder } from './egress-sink'

/** A host that takes mail, in a process of its own (egress-sink.ts). */
export class SinkHost {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(options: SinkOptions = {}): Promise<SinkHost> {
    const child = fork(path.join(__dirname, 'egress-sink.ts'), { execArgv: ['--import', 'tsx'] })
    const { port } = (await ask(child, { op: 'open', ...options })) as { port: number }
    return new SinkHost(child, port)
  }

  /** Resolves when so many messages were taken since the last time, with what was seen since then. */
  async take(messages: number): Promise<Seen> {
    return (await ask(this.child, { op: 'take', messages })) as Seen
  }

  /** What was seen since the last time. */
  async look(): Promise<Seen> {
    return (await ask(this.child, { op: 'look' })) as Seen
  }

  stop(): void {
    this.child.kill()
  }
}

async function ask(child: ChildProcess, order: SinkOrder): Promise<SinkAnswer> {
  child.send(order)
  const [answer] = (await once(child, 'message')) as [SinkAnswer]
  return answer
}

/** From the first message to the last. */
export function secondsOf({ taken }: Seen): number {
  return (taken.at(-1)! - taken[0]!) / 1000
}

/** The most in any window of so long, its end not included. */
export function mostWithin(times: readonly number[], windowMs: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  let most = 0
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= windowMs) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}
