import { createHmac, randomUUID } from 'node:crypto'
import type { Clock } from '../../store/store'

export interface WebhookOptions {
  /** Read for each call, so that a reload holds; undefined: nobody is called. */
  readonly url: () => string | undefined
  /** The secret that bodies are signed with. Throws when it cannot be read. */
  readonly secret: () => string
  /** What could not be told is gone; each time once. Must not throw. */
  readonly onFailure: (why: string) => void
  readonly send?: typeof fetch
  readonly clock?: Clock
  /** Waits between tries, in ms; one try more than there are. */
  readonly waitsMs?: readonly number[]
  readonly timeoutMs?: number
}

/** In all two minutes: a program that starts anew is back by then. */
const WAITS_MS = [1000, 5000, 25_000, 90_000]
const TIMEOUT_MS = 10_000
/** Waiting to be told; more are told nobody, and that is said. */
const MOST_WAITING = 100

interface Call {
  readonly id: string
  readonly body: string
}

/**
 * Tells a program by POST, one call after another, and never keeps anybody waiting. `X-Sluice-Signature: t=SECONDS,v1=HEX`:
 * HMAC-SHA-256 of `SECONDS.BODY`, so that nobody else can tell, nor tell again later. A call is tried again when there is no
 * answer, or one of 408, 429 or 5xx. Its `X-Sluice-Id` stays the same.
 */
export class Webhook {
  private readonly send: typeof fetch
  private readonly clock: Clock
  private readonly waitsMs: readonly number[]
  private readonly timeoutMs: number
  private readonly waiting: Call[] = []
  private readonly closing = new AbortController()
  private underWay: Promise<void> | undefined

  constructor(private readonly options: WebhookOptions) {
    this.send = options.send ?? fetch
    this.clock = options.clock ?? Date.now
    this.waitsMs = options.waitsMs ?? WAITS_MS
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  }

  tell(what: object): void {
    if (this.options.url() === undefined || this.closing.signal.aborted) return
    if (this.waiting.length >= MOST_WAITING) {
      return this.options.onFailure(`${MOST_WAITING} calls wait already, one more was left out`)
    }
    this.waiting.push({ id: randomUUID(), body: JSON.stringify(what) })
    this.underWay ??= this.work().finally(() => {
      this.underWay = undefined
    })
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.underWay
  }

  /** What waits is told nobody. */
  close(): void {
    this.waiting.length = 0
    this.closing.abort()
  }

  /** Never rejects. */
  private async work(): Promise<void> {
    for (let call = this.waiting.shift(); call; call = this.waiting.shift()) await this.deliver(call)
  }

  private async deliver(call: Call): Promise<void> {
    for (let tries = 0; ; tries++) {
      const failure = await this.post(call)
      if (failure === undefined || this.closing.signal.aborted) return
      const waitMs = this.waitsMs[tries]
      if (failure.isFinal || waitMs === undefined) {
        return this.options.onFailure(
          `${failure.why}, after ${tries + 1} ${tries === 0 ? 'try' : 'tries'}: ${call.body}`,
        )
      }
      await this.wait(waitMs)
    }
  }

  private async post({ id, body }: Call): Promise<{ readonly why: string; readonly isFinal: boolean } | undefined> {
    const url = this.options.url()
    if (url === undefined) return undefined
    try {
      const time = Math.floor(this.clock() / 1000)
      const signature = createHmac('sha256', this.options.secret()).update(`${time}.${body}`).digest('hex')
      const response = await this.send(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'sluice',
          'x-sluice-id': id,
          'x-sluice-signature': `t=${time},v1=${signature}`,
        },
        body,
        // Elsewhere nobody has said that it may be told.
        redirect: 'manual',
        signal: AbortSignal.any([this.closing.signal, AbortSignal.timeout(this.timeoutMs)]),
      })
      await response.body?.cancel()
      if (response.ok) return undefined
      const { status } = response
      return { why: `it answers ${status}`, isFinal: status < 500 && status !== 408 && status !== 429 }
    } catch (error) {
      return { why: reasonOf(error), isFinal: false }
    }
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.closing
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms).unref()
      signal.addEventListener('abort', done)
    })
  }
}

/** fetch says only that it failed; why is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? `${error.message} (${cause.message})` : error.message
}
