/** Messages written straight into a queue directory, as Haraka's outbound does (outbound/qfile.js, index.js build_todo). */
import { writeFileSync } from 'node:fs'
import path from 'node:path'

export interface QueueOrder {
  readonly messages: number
  readonly domain: string
  /** Of the process that they are left behind by: a worker takes over what one process has left. */
  readonly pid?: number
  /** When the first is due, in milliseconds since 1970, and how much later each next one. */
  readonly firstDue?: number
  readonly stepMs?: number
}

/** 1 kB with its header. */
const MESSAGE =
  `From: ann@near.test\r\nSubject: bench\r\n\r\n${`${'hello world '.repeat(6)}\r\n`.repeat(13)}`.padEnd(1022, '.') +
  '\r\n'

let written = 0

/** Fills a queue directory. Nothing is synced to disk: a bench that dies starts anew. */
export function fillQueue(
  dir: string,
  { messages, domain, pid = 1, firstDue = Date.now() - 60_000, stepMs = 0 }: QueueOrder,
): void {
  for (let number = 0; number < messages; number++) {
    const due = Math.floor(firstDue + number * stepMs)
    const unique = (written++).toString(36).padStart(6, '0')
    const name = `${due}_${due}_0_${pid}_${unique}_${number % 10_000}_bench`
    writeFileSync(path.join(dir, name), fileOf(domain, `${unique}.1`, number))
  }
}

function fileOf(domain: string, uuid: string, number: number): Buffer {
  const todo = {
    queue_time: Date.now(),
    domain,
    rcpt_to: [address(`user${number % 1000}`, domain)],
    mail_from: address('ann', 'near.test'),
    notes: {},
    uuid,
    force_tls: false,
  }
  const head = Buffer.from(`\n${JSON.stringify(todo, null, '\t')}\n`)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  return Buffer.concat([length, head, Buffer.from(MESSAGE)])
}

function address(user: string, host: string): object {
  return { original: `<${user}@${host}>`, original_host: host, host, user }
}
