/**
 * The master of a cluster serves HTTP and has no store; what somebody wants by a link is done by a worker. Messages carry a
 * field `sluice`; whoever else listens on the channel ignores them.
 */
import cluster, { type Worker } from 'node:cluster'

type Message =
  | { readonly sluice: 'unsubscribe?'; readonly errand: number; readonly token: string }
  | { readonly sluice: 'unsubscribe'; readonly errand: number; readonly result: Result }
type Result = 'done' | 'unknown' | 'failed'

const ANSWER_MS = 2500
const MOST_WAITING = 1000

/** In a worker: does what the master asks. */
export function serveLinks(use: (token: string) => Promise<boolean>): void {
  if (!cluster.isWorker) return
  process.on('message', (message: unknown) => {
    if (!isMessage(message) || message.sluice !== 'unsubscribe?') return
    const { errand, token } = message
    const answer = (result: Result) => {
      const reply: Message = { sluice: 'unsubscribe', errand, result }
      // The master may be gone; then nobody waits.
      if (process.connected) process.send?.(reply, undefined, undefined, () => undefined)
    }
    use(token).then(
      (isDone) => answer(isDone ? 'done' : 'unknown'),
      () => answer('failed'),
    )
  })
}

/** In the master: has one worker after another asked until one has done it. */
export class WorkerLine {
  private errands = 0
  private readonly waiting = new Map<number, (result: Result) => void>()

  constructor() {
    cluster.on('message', (_worker, message: unknown) => {
      if (isMessage(message) && message.sluice === 'unsubscribe') this.waiting.get(message.errand)?.(message.result)
    })
  }

  /** Whether the token is ours; rejects when no worker can tell. To be asked twice is no harm: it is heeded once. */
  async use(token: string): Promise<boolean> {
    if (this.waiting.size >= MOST_WAITING) throw new Error('too many errands wait for workers')
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected() === true)
    const first = Math.floor(Math.random() * Math.max(1, workers.length))
    for (let index = 0; index < Math.min(2, workers.length); index++) {
      const result = await this.ask(workers[(first + index) % workers.length]!, token)
      if (result !== 'failed') return result === 'done'
    }
    throw new Error('no worker answers')
  }

  private ask(worker: Worker, token: string): Promise<Result> {
    const errand = this.errands++
    return new Promise((resolve) => {
      const finish = (result: Result) => {
        clearTimeout(timer)
        this.waiting.delete(errand)
        resolve(result)
      }
      const timer = setTimeout(() => finish('failed'), ANSWER_MS)
      this.waiting.set(errand, finish)
      const message: Message = { sluice: 'unsubscribe?', errand, token }
      worker.send(message, (error) => {
        if (error) finish('failed')
      })
    })
  }
}

function isMessage(message: unknown): message is Message {
  if (typeof message !== 'object' || message === null) return false
  const { sluice, errand } = message as { sluice?: unknown; errand?: unknown }
  return typeof sluice === 'string' && sluice.startsWith('unsubscribe') && typeof errand === 'number'
}
