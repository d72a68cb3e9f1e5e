import type { Channels } from './channels'

/**
 * Keys that any process has reset. What is published while there is no connection is missed, which leaves a locally
 * cached refusal to its own end.
 */
export class Resets {
  private readonly listeners: ((key: string) => void)[] = []

  constructor(
    channels: Channels,
    readonly channel: string,
    private readonly ownId: string,
  ) {
    channels.join(channel, { receive: (message) => this.receive(message) })
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

  private receive(message: string): void {
    const space = message.indexOf(' ')
    if (space > 0 && message.slice(0, space) !== this.ownId) this.tell(message.slice(space + 1))
  }
}
