import type { RedisClient } from './connect'

/** Who hears a channel. None of these may throw. */
export interface Member {
  receive(message: string): void
  /** Called after each subscription, and when the server has refused one: what was published before may have been missed. */
  subscribed?(): void
  /** Called when the connection is lost: what is published from now on is missed. */
  lost?(): void
}

/**
 * Hears what the processes that share a Redis publish, on a connection of its own. It subscribes anew after each
 * reconnection.
 */
export class Channels {
  private readonly members = new Map<string, Member>()
  private opened: (() => void) | undefined
  private hears = false

  /**
   * @param client taken over, not connected yet
   * @param onRefusal called when the server does not let us subscribe
   */
  constructor(
    private readonly client: RedisClient,
    private readonly onRefusal: (error: unknown) => void,
  ) {
    // The connection of the store, which goes to the same place, reports what is wrong.
    client.on('error', () => {})
    client.on('ready', () => void this.subscribe())
    client.on('close', () => this.lose())
    client.on('message', (channel: string, message: string) => this.members.get(channel)?.receive(message))
  }

  /** Whether messages arrive, as far as one can tell. */
  get subscribed(): boolean {
    return this.hears
  }

  /** Before {@link open}. */
  join(channel: string, member: Member): void {
    this.members.set(channel, member)
  }

  /** Resolves once subscribed, or once the server has refused that. Rejects when there is no connection. */
  async open(): Promise<void> {
    const subscribed = new Promise<void>((resolve) => (this.opened = resolve))
    await this.client.connect()
    await subscribed
  }

  /** Keeps the idle connection honest: without an answer it is given up and made anew. */
  ping(): void {
    this.client.ping().catch(() => {})
  }

  close(): void {
    this.client.disconnect()
  }

  private async subscribe(): Promise<void> {
    try {
      await this.client.subscribe(...this.members.keys())
      this.hears = true
    } catch (error) {
      this.onRefusal(error)
    }
    for (const member of this.members.values()) member.subscribed?.()
    this.opened?.()
  }

  private lose(): void {
    this.hears = false
    for (const member of this.members.values()) member.lost?.()
  }
}
