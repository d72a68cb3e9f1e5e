import type { Policy } from '../config/compile'
import { BlockLists, type ListAnswer, type ListHit, joinAnswers } from '../dns/block-lists'
import { heloFault } from '../dns/helo'
import { type ListPart, type ListZone } from '../dns/list-spec'
import { DnsResolver } from '../dns/resolver'
import { type ReverseFacts, lookupReverse } from '../dns/reverse'
import type { HealthChange } from '../dns/zone-health'
import { DNSBL_PLUGIN, silentName } from '../gates/dnsbl/dnsbl-gate'
import { NO_PTR, RDNS_PLUGIN } from '../gates/rdns/rdns-gate'
import { type IpAddress, isPrivate } from '../keys/address'
import type { Signal } from '../policy/signal'
import type { Client } from '../policy/subject'
import type { Session } from './session'
import { foundByFcrdns, foundByHeloChecks } from './stock-checks'
import type { Connection } from './types'

/** What DNS has said of a session's client, and what was asked. */
export interface DnsFacts {
  readonly of: Client
  readonly asked: Map<ListPart, string | IpAddress>
  readonly answers: Map<ListPart, ListAnswer>
  reverse: Promise<ReverseFacts> | undefined
  /** The jail was told that it is on a list. */
  reported: boolean
}

/** Lookups of one session under way at a time; one more is not made. */
const MOST_PENDING = 20

/** Asks DNS about strangers, and turns the answers into signals of their session. Nobody waits here. */
export class Lookups {
  readonly resolver: DnsResolver
  private readonly timeoutMs: number
  private policy: Policy
  private lists: BlockLists
  private started = false

  constructor(
    policy: Policy,
    private readonly onHealth: (change: HealthChange) => void,
    private readonly onFailure: (error: unknown) => void,
  ) {
    const { servers, timeout } = policy.config.dns
    this.resolver = new DnsResolver({ servers, deadlineMs: timeout })
    this.timeoutMs = timeout
    this.policy = policy
    this.lists = this.makeLists(policy)
  }

  /** The lists are probed from now on. */
  start(): void {
    this.started = true
    this.lists.start()
  }

  adopt(policy: Policy): void {
    const before = JSON.stringify(this.policy.config.dnsbl.zones)
    this.policy = policy
    if (JSON.stringify(policy.config.dnsbl.zones) === before) return
    this.lists.stop()
    this.lists = this.makeLists(policy)
    if (this.started) this.lists.start()
  }

  close(): void {
    this.lists.stop()
    this.resolver.close()
  }

  /** Questions since the start, by what came of them. */
  get counts(): ReadonlyMap<string, number> {
    return this.resolver.counts
  }

  /** 1 for each list that is well, 0 for one that is ill; none that has not been probed yet. */
  get zones(): ReadonlyMap<string, number> {
    const probed = this.lists.reports().filter(({ state }) => state !== 'unknown')
    return new Map(probed.map(({ label, state }) => [label, state === 'well' ? 1 : 0]))
  }

  /** Begins to ask the lists; the answer is a signal at MAIL or RCPT. A part without a value has nothing listed. */
  askLists(connection: Connection, session: Session, part: ListPart, value: string | IpAddress | undefined): void {
    if (this.policy.config.dnsbl.mode.kind === 'off' || !isStranger(connection, session)) return
    const facts = factsOf(session)
    if (facts.asked.get(part) === value) return
    facts.answers.delete(part)
    if (value === undefined) facts.asked.delete(part)
    else if (session.pending.length < MOST_PENDING) {
      facts.asked.set(part, value)
      const hear = (answer: ListAnswer) => {
        if (session.dns !== facts || facts.asked.get(part) !== value) return
        facts.answers.set(part, answer)
        setSignals(session, DNSBL_PLUGIN, this.listSignals(facts))
      }
      this.await(session, this.lists.lookup({ [part]: value }).then(hear))
    }
    setSignals(session, DNSBL_PLUGIN, this.listSignals(facts))
  }

  /** Begins to look up the names of the client, unless haraka-plugin-fcrdns has done it. */
  askReverse(connection: Connection, session: Session): void {
    const { address } = session.client
    if (this.policy.config.rdns.mode.kind === 'off' || !isStranger(connection, session) || isPrivate(address)) return
    const facts = factsOf(session)
    if (facts.reverse) return
    const found = foundByFcrdns(connection, address)
    facts.reverse = found ? Promise.resolve(found) : lookupReverse(this.resolver, address, this.timeoutMs)
    this.judgeNames(connection, session, facts, undefined)
  }

  /** Compares HELO with the names of the client, when they are known. */
  checkHelo(connection: Connection, session: Session): void {
    const facts = session.dns
    if (facts?.of === session.client) this.judgeNames(connection, session, facts, connection.hello.host ?? undefined)
  }

  /** True once, for a session whose client is on some list. */
  reportListed(session: Session): boolean {
    const facts = session.dns
    if (facts?.of !== session.client || facts.reported) return false
    facts.reported = true
    return true
  }

  /** The list that names the client and whose listings are reason enough to ban it, if any does. */
  banningList({ dns: facts, client }: Session): string | undefined {
    if (facts?.of !== client) return undefined
    return facts.answers.get('client')?.hits.find(({ ban }) => ban)?.label
  }

  private judgeNames(connection: Connection, session: Session, facts: DnsFacts, helo: string | undefined): void {
    if (!facts.reverse || session.pending.length >= MOST_PENDING) return
    const hear = (reverse: ReverseFacts) => {
      if (session.dns === facts) setSignals(session, RDNS_PLUGIN, this.nameSignals(connection, session, reverse, helo))
    }
    this.await(session, facts.reverse.then(hear))
  }

  /** A rejection that nobody takes would end the process. */
  private await(session: Session, heard: Promise<void>): void {
    session.pending.push(heard.catch((error: unknown) => this.onFailure(error)))
  }

  private makeLists({ config }: Policy): BlockLists {
    const { resolver, onHealth, timeoutMs } = this
    return new BlockLists({ zones: config.dnsbl.zones, resolver, onHealth, deadlineMs: timeoutMs })
  }

  private listSignals({ answers }: DnsFacts): Signal[] {
    const { hits, silent } = joinAnswers([...answers.values()])
    const signals = new Map(hits.map((hit) => [`${hit.label} ${hit.pattern}`, signalOf(hit)]))
    if (signals.size === 0) return []
    // A list of the good that is not heard would have lowered the sum.
    const goodLists = this.policy.config.dnsbl.zones.filter(isOfTheGood).map(({ label }) => label)
    const unheard = new Set(silent.map(({ label }) => label).filter((label) => goodLists.includes(label)))
    return [
      ...signals.values(),
      ...[...unheard].map((label) => ({ source: DNSBL_PLUGIN, name: silentName(label), weight: 0 })),
    ]
  }

  private nameSignals(
    connection: Connection,
    session: Session,
    reverse: ReverseFacts,
    helo: string | undefined,
  ): Signal[] {
    const { weights } = this.policy.config.rdns
    const signals: Signal[] = []
    const add = (name: string, weight: number) => void signals.push({ source: RDNS_PLUGIN, name, weight })
    if (reverse.state === 'missing') add(NO_PTR, weights.missing)
    if (reverse.state === 'named' && reverse.complete && reverse.confirmed.length === 0)
      add('unconfirmed', weights.unconfirmed)
    if (reverse.generic) add('generic', weights.generic)
    const { address: client } = session.client
    const ownNames = [connection.local.host]
    const fault =
      helo === undefined ? undefined : (foundByHeloChecks(connection) ?? heloFault({ helo, client, ownNames, reverse }))
    if (fault !== undefined) add(`helo_${fault}`, weights[`helo_${fault}`])
    return signals.filter(({ name, weight }) => weight !== 0 || name === NO_PTR)
  }
}

function isStranger(connection: Connection, session: Session): boolean {
  return !session.client.trusted && !connection.relaying
}

/** What is known of the client; of an address that the session showed before, nothing counts any more. */
function factsOf(session: Session): DnsFacts {
  if (session.dns?.of !== session.client) {
    session.dns = { of: session.client, asked: new Map(), answers: new Map(), reverse: undefined, reported: false }
    setSignals(session, DNSBL_PLUGIN, [])
    setSignals(session, RDNS_PLUGIN, [])
  }
  return session.dns
}

function setSignals(session: Session, source: string, signals: readonly Signal[]): void {
  const others = session.signals.filter((signal) => signal.source !== source)
  session.signals = [...others, ...signals]
}

function signalOf({ label, codes, weight }: ListHit): Signal {
  return { source: DNSBL_PLUGIN, name: `${label}=${codes.join('+')}`, weight }
}

function isOfTheGood({ codes }: ListZone): boolean {
  return codes.some(({ weight }) => weight < 0)
}
