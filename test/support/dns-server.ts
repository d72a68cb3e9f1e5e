import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, type Question, type StringAnswer, decode, encode } from 'dns-packet'

/** What becomes of a question. */
export interface Reply {
  readonly answers?: readonly Answer[]
  /** RFC 1035 §4.1.1: 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number
  readonly delayMs?: number
  /** No answer at all. */
  readonly silent?: boolean
  /** The header of an answer, then bytes that are none. */
  readonly garbage?: boolean
}

/** Answers a question for a zone; the name is in lower case, what stands in front of the zone apart. */
export type Zone = (asked: { readonly name: string; readonly front: string; readonly type: string }) => Reply

export const NXDOMAIN: Reply = { rcode: 3 }
export const SERVFAIL: Reply = { rcode: 2 }
const AUTHORITATIVE = 0x400

/** A DNS server on 127.0.0.1 over UDP, for zones that a test makes up. It counts what it is asked. */
export class DnsServer {
  /** `TYPE name` of every question, in order. */
  readonly questions: string[] = []
  private readonly delayed = new Set<NodeJS.Timeout>()
  private readonly zones = new Map<string, Zone>()

  private constructor(private readonly socket: Socket) {
    socket.on('message', (message, from) => this.receive(message, from))
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  /** As a resolver wants it: `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`
  }

  /** Serves a zone, in place of what was there. The longest zone that holds a name answers. */
  serve(zone: string, answer: Zone): this {
    this.zones.set(zone.toLowerCase(), answer)
    return this
  }

  /** Serves fixed records: `{ 'A mail.test': ['192.0.2.1'] }`. Other types of these names are empty. */
  records(records: Readonly<Record<string, readonly string[]>>, ttl = 300): this {
    for (const key of Object.keys(records)) {
      const name = key.slice(key.indexOf(' ') + 1)
      this.serve(name, ({ type, front }) => {
        if (front !== '') return NXDOMAIN
        return { answers: (records[`${type} ${name}`] ?? []).map((data) => recordOf(type, name, data, ttl)) }
      })
    }
    return this
  }

  /** How many questions there were for names that end so, of one type or all. */
  count(ending: string, type?: string): number {
    return this.questions.filter((question) => {
      return question.endsWith(ending.toLowerCase()) && (type === undefined || question.startsWith(`${type} `))
    }).length
  }

  async close(): Promise<void> {
    for (const timer of this.delayed) clearTimeout(timer)
    const closed = once(this.socket, 'close')
    this.socket.close()
    await closed
  }

  private receive(message: Buffer, from: RemoteInfo): void {
    const { id, questions } = decode(message)
    const [question] = questions ?? []
    if (id === undefined || !question) return
    const name = question.name.toLowerCase()
    this.questions.push(`${question.type} ${name}`)
    const reply = this.answer(name, question.type)
    if (reply.silent === true) return
    const bytes = reply.garbage === true ? garbage(id, question) : packet(id, question, reply)
    const timer = setTimeout(() => {
      this.delayed.delete(timer)
      this.socket.send(bytes, from.port, from.address)
    }, reply.delayMs ?? 0)
    this.delayed.add(timer)
  }

  private answer(name: string, type: string): Reply {
    for (let zone = name; ; zone = zone.slice(zone.indexOf('.') + 1)) {
      const found = this.zones.get(zone)
      if (found) return found({ name, type, front: zone === name ? '' : name.slice(0, -zone.length - 1) })
      if (!zone.includes('.')) return NXDOMAIN
    }
  }
}

/** One record of text data. */
export function recordOf(type: string, name: string, data: string, ttl = 300): Answer {
  return { type: type as StringAnswer['type'], name, data, ttl }
}

function packet(id: number, question: Question, { answers = [], rcode = 0 }: Reply): Buffer {
  return encode({ type: 'response', id, flags: AUTHORITATIVE | rcode, questions: [question], answers: [...answers] })
}

function garbage(id: number, question: Question): Buffer {
  const bytes = packet(id, question, { rcode: 3 })
  // Claims an answer that is not there, then bytes that look like a compressed name without an end.
  bytes.writeUInt16BE(1, 6)
  return Buffer.concat([bytes, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff])])
}
