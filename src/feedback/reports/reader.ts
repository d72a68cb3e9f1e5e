import { Worker } from 'node:worker_threads'
import { type Envelope, readReport } from './read-report'
import { MOST_BYTES } from './mime'
import type { Report } from './report'

/** What this process is busy with cannot wait for a large report: it is read in a thread beside it. */
const MOST_INLINE_BYTES = 32 * 1024
/** The parser takes some ten microseconds for each, however short: no report of a person or a server has so many in so few bytes. */
const MOST_INLINE_LINES = 1500
/** Of 8 MB each at most. */
const MOST_WAITING = 8
const READ_MS = 4000
/**
 * With the time for reading less than a hook has for its answer: who waits longer for those before him comes again, and his report
 * does not go on to where mail goes that is no report.
 */
const WAIT_MS = 500
/** One that reads nothing for so long is ended. */
const IDLE_MS = 60_000
const WORKER_HEAP_MB = 192

/** There is too much to read at the moment. */
export class ReaderBusy extends Error {
  constructor() {
    super('other reports wait to be read')
    this.name = 'ReaderBusy'
  }
}

/** What a thread is asked, and answers. */
export interface Question {
  readonly message: Uint8Array
  readonly envelope: Envelope
}
export type Reply = { readonly report: Report } | { readonly problem: string }

interface Job extends Question {
  readonly resolve: (report: Report) => void
  readonly reject: (error: Error) => void
}

export interface ReaderOptions {
  readonly readMs?: number
  readonly waitMs?: number
  readonly mostInlineBytes?: number
  /** File of the thread; default: the one beside this. */
  readonly thread?: string
}

/** Reads reports, large ones one at a time in a thread of bounded memory and time. */
export class ReportReader {
  private readonly waiting: Job[] = []
  private underWay: Job | undefined
  private worker: Worker | undefined
  private timer: NodeJS.Timeout | undefined
  private isClosed = false

  constructor(private readonly options: ReaderOptions = {}) {}

  /** Rejects with {@link ReaderBusy}, or when the report cannot be read, or not in time. */
  read(message: Buffer, envelope: Envelope): Promise<Report> {
    const { mostInlineBytes = MOST_INLINE_BYTES } = this.options
    if (message.length <= mostInlineBytes && !hasManyLines(message)) return readReport(message, envelope)
    if (this.isClosed || this.waiting.length >= MOST_WAITING) return Promise.reject(new ReaderBusy())
    return new Promise((resolve, reject) => {
      const job = { message: new Uint8Array(message.subarray(0, MOST_BYTES)), envelope, resolve, reject }
      this.waiting.push(job)
      this.begin()
      if (this.waiting.includes(job)) setTimeout(() => this.giveUp(job), this.options.waitMs ?? WAIT_MS).unref()
    })
  }

  /** When it still waits. */
  private giveUp(job: Job): void {
    const place = this.waiting.indexOf(job)
    if (place < 0) return
    this.waiting.splice(place, 1)
    job.reject(new ReaderBusy())
  }

  /** What waits is not read any more. */
  close(): void {
    this.isClosed = true
    const jobs = [...(this.underWay ? [this.underWay] : []), ...this.waiting.splice(0)]
    this.underWay = undefined
    this.end()
    for (const { reject } of jobs) reject(new ReaderBusy())
  }

  private begin(): void {
    if (this.underWay) return
    const job = this.waiting.shift()
    if (!job) return
    this.underWay = job
    const { message, envelope } = job
    this.worker ??= this.start()
    clearTimeout(this.timer)
    const { readMs = READ_MS } = this.options
    this.timer = setTimeout(() => this.fail(new Error(`not read within ${readMs} ms`)), readMs)
    const question: Question = { message, envelope }
    this.worker.postMessage(question, [message.buffer as ArrayBuffer])
  }

  private start(): Worker {
    const worker = new Worker(this.options.thread ?? require.resolve('./reader-thread'), {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    })
    // Whoever has ended it, or has no memory left, is not this one's successor.
    const isCurrent = () => worker === this.worker
    worker.on('message', (reply: Reply) => {
      if (isCurrent())
        this.settle(({ resolve, reject }) =>
          'report' in reply ? resolve(reply.report) : reject(new Error(reply.problem)),
        )
    })
    worker.on('error', (error: Error) => {
      if (isCurrent()) this.fail(error)
    })
    worker.on('exit', (code) => {
      if (isCurrent()) this.fail(new Error(`the thread has ended with ${code}`))
    })
    worker.unref()
    return worker
  }

  private fail(error: Error): void {
    this.end()
    this.settle(({ reject }) => reject(error))
  }

  private settle(tell: (job: Job) => void): void {
    clearTimeout(this.timer)
    const job = this.underWay
    this.underWay = undefined
    if (job) tell(job)
    this.begin()
    if (!this.underWay) this.timer = setTimeout(() => this.end(), IDLE_MS).unref()
  }

  private end(): void {
    clearTimeout(this.timer)
    const { worker } = this
    this.worker = undefined
    void worker?.terminate()
  }
}

function hasManyLines(message: Buffer): boolean {
  let lines = 0
  for (let at = message.indexOf(10); at >= 0; at = message.indexOf(10, at + 1)) {
    if (++lines > MOST_INLINE_LINES) return true
  }
  return false
}
