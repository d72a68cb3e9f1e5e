import type { Policy } from '../config/compile'
import { bearersOf, meritAsk } from '../gates/reputation/merits'
import { NEUTRAL, type Reputation, isProven, reputationOf, reputationSignal } from '../gates/reputation/reputation'
import type { Offence } from '../gates/jail/jail-policy'
import { CLIENT_TIER, tierText } from '../gates/limits/rule'
import type { KnownMerit } from '../policy/decision'
import { isEnforced } from '../policy/mode'
import type { Client } from '../policy/subject'
import type { Ask, Store } from '../store/store'
import type { Session } from './session'
import { spfDomainOf } from './subject'
import type { Connection, Transaction } from './types'

/** Clients whose reputation this process remembers between sessions, the latest ones. */
const MOST_KNOWN = 50_000
const KNOWN_MS = 24 * 3_600_000
const MOST_DOMAINS = 10
/** What an offence weighs against a message that was taken. */
const BADNESS: Readonly<Record<Offence, number>> = {
  auth: 1,
  relay: 1,
  early: 1,
  // Who is listed is refused for it; whether he is bad is for those to say who have seen him.
  listed: 0,
  protocol: 0.5,
  probe: 0.5,
  unknown_recipient: 0.25,
  junk: 0.25,
}

/** What a session has shown of its client so far; one sample comes of it. */
export interface SessionConduct {
  good: number
  bad: number
  /** Refused messages that Haraka counts for the session, but another client sent. */
  readonly rejectedBefore: number
  /** Messages of domains that SPF has proved: taken less refused. */
  readonly domains: Map<string, number>
}

interface Known {
  readonly reputation: Reputation
  readonly until: number
}

/** How clients have behaved, as far as this process has heard from the store, and what there is to tell it. */
export class Reputations {
  private young = new Map<string, Known>()
  private old = new Map<string, Known>()

  constructor(
    private readonly policy: () => Policy,
    /** Sends what was learned, without anybody waiting. */
    private readonly learn: (asks: readonly Ask[]) => void,
    private readonly store: () => Store,
  ) {}

  /** What is known of a client before the store is asked in its session. */
  knownOf(client: Client): Reputation {
    return this.find(client) ?? NEUTRAL
  }

  /** Whether a client has proven itself; undefined when this process has not heard of it lately. */
  isProven(client: Client): boolean | undefined {
    const known = this.find(client)
    return known && isProven(known)
  }

  /** Has this process hear of a client, of whom it may know nothing. Rejects with `StoreError`. */
  async hear(client: Client): Promise<void> {
    const ask = meritAsk('client', tierText(client.address, CLIENT_TIER), this.policy().reputation)
    const { answers, degraded } = await this.store().judge([ask])
    const { count: samples, mean } = answers[0]!
    // What this process counts by itself says nothing of the past.
    if (degraded || mean === undefined) return
    this.remember(client, reputationOf([{ name: 'client', samples, mean }]))
  }

  private find(client: Client): Reputation | undefined {
    const name = tierText(client.address, CLIENT_TIER)
    const known = this.young.get(name) ?? this.old.get(name)
    return known && known.until > Date.now() ? known.reputation : undefined
  }

  /** Takes over what the store has told in this session. */
  note(session: Session, merits: readonly KnownMerit[]): void {
    const { points } = this.policy().reputation
    const others = session.reputation.merits.filter(({ name }) => !merits.some((merit) => merit.name === name))
    const reputation = reputationOf([...others, ...merits])
    session.reputation = reputation
    session.signals = session.signals.filter(({ source }) => source !== 'reputation')
    const signal = reputationSignal(reputation, points)
    if (signal) session.signals.push(signal)
    // Of a domain only the session knows for whom it speaks.
    this.remember(session.client, reputationOf(reputation.merits.filter(({ name }) => name !== 'domain')))
  }

  /** By how much the limits of the session's client are multiplied. */
  factorOf({ client, reputation }: Session): number {
    return isEnforced(this.policy().reputation.mode, client.ip) ? reputation.factor : 1
  }

  /** A message was taken; a content filter may have thought ill of it all the same. */
  noteTaken(session: Session, transaction: Transaction): void {
    const spam = isSpam(transaction)
    if (spam) session.conduct.bad++
    else session.conduct.good++
    const domain = spfDomainOf(transaction)
    const { domains } = session.conduct
    if (domain === undefined || (domains.size >= MOST_DOMAINS && !domains.has(domain))) return
    domains.set(domain, (domains.get(domain) ?? 0) + (spam ? -1 : 1))
  }

  noteOffence(session: Session, offence: Offence): void {
    session.conduct.bad += BADNESS[offence]
  }

  /** The session is over, or goes on as another client's: one sample of it for each who answers for it. */
  end(connection: Connection, session: Session): void {
    const { client, conduct } = session
    if (client.trusted || connection.relaying) return
    const bad = conduct.bad + connection.msg_count.reject - conduct.rejectedBefore
    if (conduct.good + bad === 0) return
    const { reputation } = this.policy()
    if (reputation.mode.kind === 'off') return
    const sample = (conduct.good - bad) / (conduct.good + bad)
    const asks = bearersOf(client).map(([bearer, name]) => meritAsk(bearer, name, reputation, sample))
    for (const [domain, balance] of conduct.domains) {
      asks.push(meritAsk('domain', domain, reputation, Math.sign(balance)))
    }
    this.learn([...session.lessons.splice(0), ...asks])
  }

  private remember(client: Client, reputation: Reputation): void {
    if (this.young.size >= MOST_KNOWN / 2) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(tierText(client.address, CLIENT_TIER), { reputation, until: Date.now() + KNOWN_MS })
  }
}

/** What haraka-plugin-rspamd or haraka-plugin-spamassassin have noted. */
function isSpam({ results }: Transaction): boolean {
  const rspamd = results.get('rspamd') as { is_spam?: unknown; action?: unknown } | undefined
  const assassin = results.get('spamassassin') as { flag?: unknown } | undefined
  return rspamd?.is_spam === true || rspamd?.action === 'add header' || assassin?.flag === 'Yes'
}
