import type { Client } from '../../policy/subject'
import type { Answer, Ask, Clock, MeritAsk, Store } from '../../store/store'
import { type Memory, meritAsk } from '../reputation/merits'
import { type Ban, readTarget } from '../../policy/ban'
import { entryOf } from './ban-entry'
import type { BanList } from './ban-list'
import { type Charge, chargesFor, clientText, neighbourhoodText, offenderAsk, recordAsk, turnAsk } from './evidence'
import type { JailPolicy, Offence, Protection } from './jail-policy'
import { sentenceMs } from './sentence'
import { type SlowList, slowEntry } from './slow-list'

export interface WardenOptions {
  readonly policy: () => JailPolicy
  readonly store: () => Store
  readonly bans: BanList
  /** Accounts that are slowed already. */
  readonly slow: Pick<SlowList, 'leftMs'>
  readonly protection: Protection
  /** How long conduct is remembered; undefined where it is not. */
  readonly reputation?: () => Memory | undefined
  /** Called for each ban that this process has made, once it stands. Must not throw. */
  readonly onBan: (ban: Ban, before: number) => void
  /** Called when the store could not be asked or told. Must not throw. */
  readonly onFailure: (what: string, error: unknown) => void
  readonly clock?: Clock
  readonly random?: () => number
}

interface Banned {
  /** The client is banned from now on. */
  readonly banned: boolean
  /** By what, unless another process has banned it just now. The list of bans may have it a moment later. */
  readonly ban?: Ban | undefined
}

/** What came of an offence for the session in which it happened. */
export interface Consequence extends Banned {
  /** Its further logins are to be held. */
  readonly slow: boolean
}

interface Sentence {
  readonly ban: Ban
  /** Bans that are remembered of the same target. */
  readonly before: number
}

const NONE: Consequence = { banned: false, slow: false }

/**
 * Counts offences in the store and bans who does too many. Nobody waits for it: what is found takes effect for what the
 * client does later.
 */
export class Warden {
  private readonly clock: Clock
  private readonly random: () => number
  /** Clients that are being banned by this process. */
  private readonly underWay = new Map<string, Promise<Banned>>()

  constructor(private readonly options: WardenOptions) {
    this.clock = options.clock ?? Date.now
    this.random = options.random ?? Math.random
  }

  /** Counts an offence. Never rejects. */
  async offend(client: Client, offence: Offence, account: string | undefined): Promise<Consequence> {
    const { policy, bans } = this.options
    const jail = policy()
    if (jail.mode.kind === 'off') return NONE
    const safe = this.options.protection(client.address) !== undefined
    if (!safe && bans.findAddress(client.address)) return NONE
    const charges = chargesFor(jail, client, offence, account).filter(({ overflow }) => !safe || overflow !== 'ban')
    const excuse = this.excuseFor(client, offence)
    const asks = charges.map(({ ask }) => (excuse ? { ...ask, unless: [0] } : ask))
    const answers = await this.ask(excuse ? [excuse, ...asks] : asks)
    const over = (overflow: Charge['overflow']) =>
      charges.some((charge, index) => charge.overflow === overflow && answers?.at(index - charges.length)?.ok === false)
    const outcome = over('ban') ? await this.shutOut(client, 'jail', reasonFor(offence)) : { banned: false }
    if (over('slow_account')) await this.slow(account!, jail)
    return { ...outcome, slow: over('slow_account') || over('slow_client') }
  }

  /**
   * A partner that has proven itself is not banned for what its users do through it: else anybody with an account there
   * could have it banned. Who guesses passwords is no partner.
   */
  private excuseFor(client: Client, offence: Offence): MeritAsk | undefined {
    const memory = offence === 'auth' ? undefined : this.options.reputation?.()
    return memory && meritAsk('client', clientText(client), memory)
  }

  /** Bans a client, longer each time, and its network when it is one of many there. Returns whether it is banned. Never rejects. */
  async ban(client: Client, origin: string, reason: string): Promise<boolean> {
    return (await this.shutOut(client, origin, reason)).banned
  }

  private async shutOut(client: Client, origin: string, reason: string): Promise<Banned> {
    if (this.options.protection(client.address) !== undefined) return { banned: false }
    const ban = this.options.bans.findAddress(client.address)
    if (ban) return { banned: true, ban }
    const own = clientText(client)
    let made = this.underWay.get(own)
    if (!made) {
      made = this.sentenceAll(client, own, origin, reason).finally(() => this.underWay.delete(own))
      this.underWay.set(own, made)
    }
    return made
  }

  private async sentenceAll(client: Client, own: string, origin: string, reason: string): Promise<Banned> {
    const jail = this.options.policy()
    const answers = await this.ask([turnAsk(own, jail), recordAsk(own, jail), offenderAsk(client, jail)])
    // Another process was first.
    const earlier = this.options.bans.findAddress(client.address)
    if (answers?.[0]?.ok === false || earlier) return { banned: true, ban: earlier }
    // Without the store nobody knows what was before: the first ban, then.
    const sentences = [this.sentence(own, origin, reason, answers?.[1]?.count ?? 0, jail)]
    if (answers?.[2]?.ok === false) sentences.push(await this.sentenceNetwork(neighbourhoodText(client), origin, jail))
    return this.carryOut(
      client,
      sentences.flatMap((sentence) => sentence ?? []),
    )
  }

  private async sentenceNetwork(network: string, origin: string, jail: JailPolicy): Promise<Sentence | undefined> {
    const answers = await this.ask([turnAsk(network, jail), recordAsk(network, jail)])
    if (answers?.[0]?.ok === false) return undefined
    const reason = `more than ${jail.offenders} banned clients in a day`
    return this.sentence(network, origin, reason, answers?.[1]?.count ?? 0, jail)
  }

  private sentence(
    text: string,
    origin: string,
    reason: string,
    before: number,
    jail: JailPolicy,
  ): Sentence | undefined {
    const read = readTarget(text)
    if (!('target' in read)) return undefined
    const since = this.clock()
    const until = since + sentenceMs(before, jail.sentencing, this.random())
    return { ban: { target: read.target, origin, reason, since, until }, before }
  }

  private async carryOut(client: Client, sentences: readonly Sentence[]): Promise<Banned> {
    try {
      await this.options.store().post(sentences.map(({ ban }) => entryOf(ban)))
    } catch (error) {
      this.options.onFailure('ban', error)
      // An embedded store may have told this process at least.
      if (!this.options.bans.findAddress(client.address)) return { banned: false }
    }
    for (const { ban, before } of sentences) this.options.onBan(ban, before)
    return { banned: sentences.length > 0, ban: sentences[0]?.ban }
  }

  private async slow(account: string, { slowMs, account: windows }: JailPolicy): Promise<void> {
    if (slowMs === 0) return
    const shortestMs = Math.min(...windows.map(({ windowMs }) => windowMs))
    // Guesses come by the hundred, and each post goes to every process.
    if (this.options.slow.leftMs(account) > shortestMs / 2) return
    try {
      await this.options.store().post([slowEntry(account, this.clock() + shortestMs)])
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
  listed: 'refused too often for being listed',
}

function reasonFor(offence: Offence): string {
  return REASONS[offence]
}
