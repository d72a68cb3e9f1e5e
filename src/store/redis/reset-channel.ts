import type { RedisClient } from './connect'

/**
 * Hears of keys that any process has reset, on a connection of its own. It subscribes anew after each reconnection; what
 * was published in between is missed, which leaves a locally cached refusal to its own end.
 */
export class ResetChannel {
  private readonly listeners: ((key: string) => void)[] = []
  private subscribed: (() => void) | undefined

  /**
   * @param client taken over, not connected yet
   * @param onRefusal called when the server does not let us subscribe
   */
  constructor(
    private readonly client: RedisClient,
    readonly channel: string,
    private readonly ownId: string,
    private readonly onRefusal: (error: unknown) => void,
  ) {
    // The connection of the store, which goes to the same place, reports what is wrong.
    client.on('error', () => {})
    client.on('ready', () => this.subscribe())
    client.on('message', (_channel: string, message: string) => this.receive(message))
  }

  /** Resolves once subscribed, or once the server has refused that. Rejects when there is no connection. */
  async open(): Promise<void> {
    const subscribed = new Promise<void>((resolve) => (this.subscribed = resolve))
    await this.client.connect()
    await subscribed
  }

  listen(listener: (key: string) => void): void {
    this.listeners.push(listener)
  }

  /** What to publish about a key. The sender leaves its own messages alone: it has told its listeners already. */
  message(key: string): string {
    return `${this.ownId} ${key}`
  }

  tell(key: string): void {
    for (const listener of this.listeners) listener(key)
  }

  /** Keeps the idle connection honest: without an answer it is given up and made anew. */
  ping(): void {
    this.client.ping().catch(() => {})
  }

  close(): void {
    this.client.disconnect()
  }

  private subscribe(): void {
    this.client
      .subscribe(this.channel)
      .catch(this.onRefusal)
      .finally(() => this.subscribed?.())
  }

  private receive(message: string): void {
    const space = message.indexOf(' ')
    if (space > 0 && message.slice(0, space) !== this.ownId) this.tell(message.slice(space + 1))
  }
}
