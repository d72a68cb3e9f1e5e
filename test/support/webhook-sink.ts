import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface WebhookCall {
  readonly id: string
  /** `t=SECONDS,v1=HEX`. */
  readonly signature: string
  readonly body: string
}

/** An HTTP server on loopback that hears what it is told, and answers as told. */
export class WebhookSink {
  readonly calls: WebhookCall[] = []
  /** Answers to the next calls, then 204; `hang` is none. */
  readonly answers: (number | 'hang')[] = []

  private constructor(private readonly server: Server) {
    server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const id = String(request.headers['x-sluice-id'])
        const signature = String(request.headers['x-sluice-signature'])
        this.calls.push({ id, signature, body: Buffer.concat(chunks).toString() })
        const answer = this.answers.shift() ?? 204
        if (answer !== 'hang') response.writeHead(answer, { location: 'http://127.0.0.1:1/' }).end()
      })
    })
  }

  static async start(): Promise<WebhookSink> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new WebhookSink(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}

/** Whether a call was signed with the secret. */
export function isSigned({ signature, body }: WebhookCall, secret: string): boolean {
  const [, time, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
  return digest === createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
}
