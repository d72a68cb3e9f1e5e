import type { Server, Socket } from 'node:net'
import type { Policy } from '../config/compile'
import { type GatePlan, judgeStage } from '../policy/pipeline'
import type { Client } from '../policy/subject'
import type { Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import { type GuardFailure, textOf } from './guard'
import type { Jail } from './jail'
import type { LoadFacts } from './load-watch'
import { replyFor } from './reply'
import { subjectAtDoor } from './subject'
import type { HarakaServer } from './types'

export interface DoorOptions {
  readonly policy: () => Policy
  /** Undefined when nobody is ever banned. */
  readonly jail: () => Jail | undefined
  readonly load: LoadFacts
  readonly isProxy: (address: Client['address']) => boolean
  readonly clientAt: (ip: string) => Client
  /** Not asked at the door; what the gates there go by is in this process. */
  readonly store: () => Store
  readonly stream: EventStream
  readonly onFailure: (failure: GuardFailure) => void
}

/** From this load level on strangers are deferred; below they only wait, which is for the hooks. */
const DEFERRING = 2

/**
 * Turns clients away at the listening socket, before Haraka makes a session of them, which costs several times as much as
 * saying 421: those who are banned, and those whom plugin overload defers. Whoever is let in is judged as ever. Sockets
 * that speak TLS from the first byte cannot be told 421, behind a proxy everybody has its address, and what is only found
 * in shadow is told with a session: all these go on to the hooks.
 */
export class Door {
  private readonly keepers: string[] = []
  private plan: GatePlan

  constructor(private readonly options: DoorOptions) {
    this.plan = options.policy().plan(this.keepers)
  }

  /** The gates of a plugin are asked at the door as well from now on. */
  keep(plugin: string, { listeners = [] }: HarakaServer): void {
    if (this.keepers.length === 0) {
      for (const listener of listeners) if (listener.has_tls === false) this.watch(listener)
    }
    this.keepers.push(plugin)
    this.adopt()
  }

  /** Another policy is in force. */
  adopt(): void {
    this.plan = this.options.policy().plan(this.keepers)
  }

  /** The line for a client that is turned away; false to let it in. Never throws. */
  refuse(ip: string, port: number): string | false {
    const { load, jail, clientAt, isProxy, store, stream, onFailure } = this.options
    const keptOut = jail()?.bans.size ?? 0
    if (keptOut === 0 && load.level < DEFERRING) return false
    const started = performance.now()
    try {
      const client = clientAt(ip)
      if (client.trusted || isProxy(client.address)) return false
      const ban = jail()?.banOf(client, undefined, undefined)
      // Whether it holds is told by the store, which is asked once there is a session.
      if (ban && jail()!.isInDoubt(client, ban)) return false
      if (!ban && load.level < DEFERRING) return false
      const outcome = judgeStage(this.plan, subjectAtDoor(client, port, ban, load), store())
      if (outcome instanceof Promise) return false
      const [gravest] = outcome.decisions
      if (gravest?.action !== 'defer' && gravest?.action !== 'reject') return false
      stream.emit({ kind: 'judged', outcome, tookMs: performance.now() - started })
      return String(replyFor(gravest).message)
    } catch (error) {
      onFailure({ plugin: 'door', hook: 'connection', failure: 'error', message: textOf(error) })
      return false
    }
  }

  /** Puts our question before Haraka's own handlers. */
  private watch(listener: Server): void {
    const handlers = listener.listeners('connection') as ((socket: Socket) => void)[]
    listener.removeAllListeners('connection')
    listener.on('connection', (socket: Socket) => {
      const line = this.refuse(unmapped(socket.remoteAddress ?? ''), socket.localPort ?? 0)
      if (line === false) for (const handle of handlers) handle.call(listener, socket)
      else turnAway(socket, line)
    })
  }
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
