import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/** A TCP proxy on the loopback that can be slow, swallow everything, or be gone. */
export class TcpProxy {
  /** Holds back each piece of an answer for this long. */
  answerDelayMs = 0
  private readonly sockets = new Set<Socket>()
  private holding = false
  private connections = 0
  private waiting: { count: number; resolve: () => void }[] = []

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

  /**
   * Lets nothing through while true, as a network does that drops packets: connections stay, and what was sent arrives
   * when it is over, unless its connection was given up by then.
   */
  set blackHole(holding: boolean) {
    this.holding = holding
    for (const socket of this.sockets) {
      if (holding) socket.pause()
      else socket.resume()
    }
  }

  /** Resolves when so many connections have been made since the start. */
  connected(count: number): Promise<void> {
    if (this.connections >= count) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push({ count, resolve }))
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
    this.connections++
    for (const { count, resolve } of this.waiting) if (this.connections >= count) resolve()
    client.on('data', (piece) => target.write(piece))
    target.on('data', (piece) => {
      if (this.answerDelayMs === 0) client.write(piece)
      else setTimeout(() => client.destroyed || client.write(piece), this.answerDelayMs)
    })
    this.pair(client, target)
    this.pair(target, client)
  }

  private pair(socket: Socket, other: Socket): void {
    this.sockets.add(socket)
    socket.setNoDelay(true)
    if (this.holding) socket.pause()
    socket.on('error', () => {})
    socket.on('close', () => {
      this.sockets.delete(socket)
      other.destroy()
    })
  }
}
