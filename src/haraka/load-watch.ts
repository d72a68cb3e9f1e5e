import { NETWORK_TIER, tierText } from '../gates/limits/rule'
import { Familiar } from '../load/familiar'
import type { LoadMeter, Pressures } from '../load/meter'
import type { Client } from '../policy/subject'

/** What a subject tells of the load. */
export interface LoadFacts {
  readonly level: number
  /** Whether a client that has come to a port counts as known. */
  familiar(client: Client, port: number): boolean
}

/** RFC 8314: who comes here has an account, or will be turned away for want of one. */
const SUBMISSION_PORTS: readonly number[] = [465, 587]

/** From this reputation on a client counts as known, though this process has not dealt with it lately. */
export const FAMILIAR_SCORE = 0.3

/** The load of this process, and whom it knows: nobody is measured or remembered before plugin overload asks for it. */
export class LoadWatch implements LoadFacts {
  private meter: LoadMeter | undefined
  /** Networks, since a large sender comes from whichever of its addresses is free. */
  private readonly known = new Familiar()
  /** Asked as well, where more is known of a client than this process has seen by itself. */
  alsoFamiliar: (client: Client) => boolean = () => false

  get level(): number {
    return this.meter?.value ?? 0
  }

  get pressures(): Partial<Pressures> {
    return this.meter?.pressures ?? {}
  }

  get measures(): boolean {
    return this.meter !== undefined
  }

  begin(meter: LoadMeter): void {
    this.meter = meter
  }

  stop(): void {
    this.meter?.stop()
  }

  familiar(client: Client, port: number): boolean {
    if (this.level < 1) return false
    return SUBMISSION_PORTS.includes(port) || this.known.knows(networkOf(client)) || this.alsoFamiliar(client)
  }

  /**
   * A client has delivered a message or logged in. Who delivers his first message while strangers are being shed stays a
   * stranger: else a flood would make itself known by the part of it that gets in.
   */
  meet(client: Client, loggedIn: boolean): void {
    const key = networkOf(client)
    if (loggedIn || this.level < 1 || this.known.knows(key)) this.known.note(key, Date.now())
  }
}

function networkOf({ address }: Client): string {
  return tierText(address, NETWORK_TIER)
}
