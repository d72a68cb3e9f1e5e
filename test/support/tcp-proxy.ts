import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/** A TCP proxy on the loopback that can be slow, swallow everything, or be gone. */
export class TcpProxy {
  /** Holds back each piece of an answer for this long. */
  answerDelayMs = 0
  /** Swallows what comes from either side, and keeps connections open, as a network that drops packets does. */
  blackHole = false
  private readonly sockets = new Set<Socket>()

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.join(client))
  }

  /** Resolves when it listens. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TcpProxy(server, targetPort)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Breaks every connection. */
  reset(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.server.close()
    this.reset()
    if (this.server.listening) await once(this.server, 'close')
  }

  private join(client: Socket): void {
    const target = connect(this.targetPort, '127.0.0.1')
    client.on('data', (piece) => {
      if (!this.blackHole) target.write(piece)
    })
    target.on('data', (piece) => {
      if (this.blackHole) return
      if (this.answerDelayMs === 0) client.write(piece)
      else setTimeout(() => client.destroyed || client.write(piece), this.answerDelayMs)
    })
    this.pair(client, target)
    this.pair(target, client)
  }

  private pair(socket: Socket, other: Socket): void {
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.sockets.delete(socket)
      other.destroy()
    })
  }
}
