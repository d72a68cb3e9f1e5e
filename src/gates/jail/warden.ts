import type { Client } from '../../policy/subject'
import type { Answer, Ask, Clock, Store } from '../../store/store'
import { type Ban, readTarget } from '../../policy/ban'
import { entryOf } from './ban-entry'
import type { BanList } from './ban-list'
import { type Charge, chargesFor, clientText, neighbourhoodText, offenderAsk, recordAsk } from './evidence'
import type { JailPolicy, Offence, Protection } from './jail-policy'
import { sentenceMs } from './sentence'
import { slowEntry } from './slow-list'

export interface WardenOptions {
  readonly policy: () => JailPolicy
  readonly store: () => Store
  readonly bans: BanList
  readonly protection: Protection
  /** Called for each ban that this process makes. Must not throw. */
  readonly onBan: (ban: Ban, before: number) => void
  /** Called when the store could not be asked or told. Must not throw. */
  readonly onFailure: (what: string, error: unknown) => void
  readonly clock?: Clock
  readonly random?: () => number
}

/** What came of an offence for the session in which it happened. */
export interface Consequence {
  /** The client is banned from now on. */
  readonly banned: boolean
  /** Its further logins are to be held. */
  readonly slow: boolean
}

const NONE: Consequence = { banned: false, slow: false }

/**
 * Counts offences in the store and bans who does too many. Nobody waits for it: what is found takes effect for what the
 * client does later.
 */
export class Warden {
  private readonly clock: Clock
  private readonly random: () => number

  constructor(private readonly options: WardenOptions) {
    this.clock = options.clock ?? Date.now
    this.random = options.random ?? Math.random
  }

  /** Counts an offence. Never rejects. */
  async offend(client: Client, offence: Offence, account: string | undefined): Promise<Consequence> {
    const { policy, bans } = this.options
    const jail = policy()
    if (jail.mode.kind === 'off' || bans.findAddress(client.address)) return NONE
    const safe = this.options.protection(client.address) !== undefined
    const charges = chargesFor(jail, client, offence, account).filter(({ overflow }) => !safe || overflow !== 'ban')
    const answers = await this.ask(charges.map(({ ask }) => ask))
    const over = (overflow: Charge['overflow']) =>
      charges.some((charge, index) => charge.overflow === overflow && answers?.[index]?.ok === false)
    const banned = over('ban') && (await this.ban(client, 'jail', reasonFor(offence)))
    if (over('slow_account')) await this.slow(account!, jail)
    return { banned, slow: over('slow_account') || over('slow_client') }
  }

  /** Bans a client, longer each time, and its network when it is one of many there. Returns whether it is banned. Never rejects. */
  async ban(client: Client, origin: string, reason: string): Promise<boolean> {
    if (this.options.protection(client.address) !== undefined) return false
    if (this.options.bans.findAddress(client.address)) return true
    const jail = this.options.policy()
    const own = clientText(client)
    const answers = await this.ask([recordAsk(own, jail), offenderAsk(client, jail)])
    // Without the store nobody knows what was before: the first ban, then.
    const posted = [this.sentence(own, origin, reason, answers?.[0]?.count ?? 0, jail)]
    if (answers?.[1]?.ok === false) {
      const network = neighbourhoodText(client)
      const before = (await this.ask([recordAsk(network, jail)]))?.[0]?.count ?? 0
      posted.push(this.sentence(network, origin, `more than ${jail.offenders} banned clients in a day`, before, jail))
    }
    return this.post(posted.flatMap((ban) => ban ?? []))
  }

  private sentence(text: string, origin: string, reason: string, before: number, jail: JailPolicy): Ban | undefined {
    const read = readTarget(text)
    if (!('target' in read)) return undefined
    const since = this.clock()
    const until = since + sentenceMs(before, jail.sentencing, this.random())
    const ban: Ban = { target: read.target, origin, reason, since, until }
    this.options.onBan(ban, before)
    return ban
  }

  private async post(bans: readonly Ban[]): Promise<boolean> {
    try {
      await this.options.store().post(bans.map(entryOf))
    } catch (error) {
      this.options.onFailure('ban', error)
    }
    return bans.length > 0
  }

  private async slow(account: string, { slowMs, account: windows }: JailPolicy): Promise<void> {
    if (slowMs === 0) return
    const longestMs = Math.min(...windows.map(({ windowMs }) => windowMs))
    try {
      await this.options.store().post([slowEntry(account, this.clock() + longestMs)])
    } catch (error) {
      this.options.onFailure('slow', error)
    }
  }

  private async ask(asks: readonly Ask[]): Promise<readonly Answer[] | undefined> {
    if (asks.length === 0) return undefined
    try {
      const verdict = await this.options.store().judge(asks)
      // By itself a process knows too little to ban anybody.
      return verdict.degraded ? undefined : verdict.answers
    } catch (error) {
      this.options.onFailure('judge', error)
      return undefined
    }
  }
}

const REASONS: Readonly<Record<Offence, string>> = {
  auth: 'too many failed logins',
  unknown_recipient: 'too many unknown recipients',
  relay: 'too many attempts to relay',
  protocol: 'too many protocol errors',
  junk: 'too many commands that move no mail',
  probe: 'too many VRFY and EXPN',
  early: 'talks before it is greeted',
}

function reasonFor(offence: Offence): string {
  return REASONS[offence]
}
