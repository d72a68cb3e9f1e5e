import type { Policy } from '../config/compile'
import type { LoadedPolicy } from '../config/load'
import type { EgressRules } from '../egress/rules'
import type { Classifier } from '../feedback/classifier'
import { sayValues } from '../egress/say-values'
import { Steering } from '../egress/steering'
import { FeedbackCounters } from '../feedback/counters'
import { FeedbackStream } from '../feedback/feedback'
import { Pardons } from '../feedback/pardon'
import { Suppressing } from '../feedback/suppressing'
import { SuppressionList } from '../feedback/suppression-list'
import { DNSBL_PLUGIN } from '../gates/dnsbl/dnsbl-gate'
import type { GatePlan } from '../policy/pipeline'
import type { Ask, Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { AllReadings } from '../telemetry/metrics'
import { type Answer, type GuardFailure, textOf } from './guard'
import { type FindAsn, asnFinder } from '../config/asn'
import { Conduct } from './conduct'
import { Door } from './door'
import { FeedbackDesk } from './feedback/desk'
import { Jail } from './jail'
import { type Attempt, Leases } from './leases'
import { FAMILIAR_SCORE, LoadWatch } from './load-watch'
import { Lookups } from './lookups'
import type { Proxies } from './proxies'
import { Reputations } from './reputations'
import { Sessions } from './session'
import { StageJudge } from './stage-judge'
import { Suppressions } from './suppressions'
import { Tarpit } from './tarpit'
import type { Connection } from './types'

/** Time for a decision itself; a store has its own, much shorter deadline. */
const JUDGE_DEADLINE_MS = 5000

export interface RuntimeOptions {
  /** Haraka's directory; relative paths of the config start here. */
  readonly home: string
  readonly policy: Policy
  readonly rules: EgressRules
  readonly responses: Classifier
  readonly stream: EventStream
  readonly proxies: Proxies
  /** Names the source of figures that are shown as metrics. */
  readonly watch: (readings: Partial<AllReadings>) => void
  /** Called once, when this process first needs a store: the master of a cluster never does. */
  readonly openStore: () => OpenedStore
}

export interface OpenedStore {
  /** To be read when `ready`: a store that cannot be opened is replaced by one that can. */
  readonly store: Store
  /** Resolves when the store can judge; never rejects. */
  readonly ready: Promise<void>
}

/** What one Haraka process has of Sluice: the policy in force, the store, the sessions. All plugins of the suite share it. */
export class Runtime {
  readonly home: string
  readonly stream: EventStream
  readonly watch: (readings: Partial<AllReadings>) => void
  readonly sessions: Sessions
  readonly conduct: Conduct
  /** There is one when plugin jail is listed. */
  jail: Jail | undefined
  /** There are some when plugin reputation is listed. */
  reputations: Reputations | undefined
  /** There is one when a plugin is listed that heeds what is ordered for paths and senders. */
  steering: Steering | undefined
  /** Senders that nothing is ordered against for a while. */
  readonly pardons = new Pardons()
  /** Addresses that no mail is sent to: whoever learns of one adds it. */
  readonly suppressionList = new SuppressionList({
    records: () => this.serve().store.records,
    keptFor: () => this.policy.suppression.keepMs,
  })
  /** There are some when plugin suppress is listed: only then is the list heeded. */
  suppressions: Suppressions | undefined
  /** Whoever is heard of that he is not to be written to is put on the list, where it is heeded. */
  suppressing: Suppressing | undefined
  readonly lookups: Lookups
  policy: Policy
  /** Providers and what holds for them, by which mail is delivered. */
  egressRules: EgressRules
  /** Says what the answers of others are about. */
  responses: Classifier
  /** What the world says of our mail. */
  readonly feedback = new FeedbackStream((error) => this.reportError('feedback', 'reader', error))
  private readonly counters = new FeedbackCounters((asks) => this.learn(asks))
  /** Where reports are read. */
  readonly desk: FeedbackDesk
  tarpit: Tarpit
  readonly load = new LoadWatch()
  readonly door: Door
  private readonly proxies: Proxies
  private findAsn: FindAsn = () => undefined
  private readonly openStore: () => OpenedStore
  private opened: OpenedStore | undefined
  private isReady = false
  private plan: GatePlan
  private readonly plugins: string[] = []
  private readonly leases: Leases
  private readonly judge: StageJudge
  private readonly onAdopted: (() => void)[] = []

  constructor({ home, policy, rules, responses, stream, proxies, watch, openStore }: RuntimeOptions) {
    this.home = home
    this.watch = watch
    this.policy = policy
    this.egressRules = rules
    this.responses = responses
    this.stream = stream
    this.proxies = proxies
    this.openStore = openStore
    this.plan = policy.plan(this.plugins)
    this.tarpit = new Tarpit(policy.config.tarpit.longest, policy.config.tarpit.most)
    this.sessions = new Sessions(
      (address) => this.policy.trusted.find(address) === true,
      (ip) => this.findAsn(ip),
      (connection, session) => this.reputations?.end(connection, session),
    )
    this.conduct = new Conduct(
      this.sessions,
      (plugin, connection) => this.judgeReply(plugin, connection),
      (error) => this.reportError('conduct', 'reply', error),
    )
    this.lookups = new Lookups(
      policy,
      (change) => stream.emit({ kind: 'zone', at: Date.now(), ...change }),
      (error) => this.reportError('lookups', 'answer', error),
    )
    this.feedback.read(this.counters.note)
    this.desk = new FeedbackDesk({
      ...{ home, stream, feedback: this.feedback },
      policy: () => this.policy,
      rules: () => this.egressRules,
      responses: () => this.responses,
      resolver: () => this.lookups.resolver,
      store: () => this.serve().store,
      settled: async () => this.suppressing?.settled(),
      onFailure: (hook, error) => this.reportError('feedback', hook, error),
    })
    this.leases = new Leases(this.attempt)
    this.judge = new StageJudge({
      ...{ sessions: this.sessions, leases: this.leases, lookups: this.lookups, load: this.load },
      ...{ conduct: this.conduct, stream },
      policy: () => this.policy,
      plan: () => this.plan,
      tarpit: () => this.tarpit,
      jail: () => this.jail,
      steering: () => this.steering,
      reputations: () => this.reputations,
      suppressions: () => this.suppressions,
      store: () => this.serve().store,
      opening: () => (this.isReady ? undefined : this.serve().ready),
      learn: (asks) => this.learn(asks),
      onFailure: (failure) => this.reportFailure(failure),
    })
    this.door = new Door({
      policy: () => this.policy,
      jail: () => this.jail,
      load: this.load,
      isProxy: (address) => proxies.has(address),
      clientAt: (ip) => this.sessions.clientAt(ip),
      store: () => this.serve().store,
      stream,
      onFailure: (failure) => this.reportFailure(failure),
    })
  }

  /** Counts a plugin among those whose gates are asked, in the order in which Haraka loads them. */
  list(plugin: string): void {
    if (this.plugins.includes(plugin)) return
    this.plugins.push(plugin)
    this.plan = this.policy.plan(this.plugins)
  }

  /** Who does too much wrong is shut out from now on. Called while plugins are loaded. */
  openJail(): void {
    if (this.jail) return
    const jail = new Jail({
      policy: () => this.policy,
      store: () => this.serve().store,
      stream: this.stream,
      isProxy: (address) => this.proxies.has(address),
      remembers: () => this.reputations !== undefined,
      isProven: (client) => (this.reputations ? this.reputations.isProven(client) : false),
      onFailure: (hook, error) =>
        this.reportFailure({ plugin: 'jail', hook, failure: 'error', message: String(error) }),
    })
    this.jail = jail
    this.conduct.onOffence((connection, session, offence) => jail.offend(connection, session, offence))
  }

  /** What is ordered for paths and senders is heeded from now on. Called while plugins are loaded. */
  openSteering(): Steering {
    this.steering ??= new Steering({
      store: () => this.serve().store,
      mode: (origin) => {
        const { egress, automation } = this.policy
        return origin === 'controller' || origin === 'breaker' ? egress.controller.mode : automation.mode
      },
      onOrdered: ({ id, path, values, origin, mode, evidence, until }) => {
        const said = { id, target: path, does: sayValues(values), origin, mode, evidence, until }
        this.stream.emit({ kind: 'order', at: Date.now(), ...said })
      },
    })
    return this.steering
  }

  /** Nothing is sent to suppressed addresses from now on. Called while plugins are loaded. */
  openSuppressions(): void {
    if (this.suppressions) return
    const onFailure = (hook: string, message: string) =>
      this.reportFailure({ plugin: 'suppress', hook, failure: 'error', message })
    const [list, policy] = [this.suppressionList, () => this.policy.suppression]
    this.suppressions = new Suppressions({ policy, list, stream: this.stream, onFailure })
    const suppressing = new Suppressing({
      list,
      isOff: () => policy().mode.kind === 'off',
      onFailure: (error) => onFailure('learning', textOf(error)),
    })
    this.feedback.read((said) => suppressing.read(said))
    this.suppressing = suppressing
  }

  /** How clients behave is remembered from now on. Called while plugins are loaded. */
  openReputations(): void {
    if (this.reputations) return
    const reputations = new Reputations(
      () => this.policy,
      (asks) => this.learn(asks),
      () => this.serve().store,
    )
    this.reputations = reputations
    this.conduct.onOffence((_connection, session, offence) => reputations.noteOffence(session, offence))
    this.load.alsoFamiliar = (client) => reputations.knownOf(client).score >= FAMILIAR_SCORE
    this.findAsn = asnFinder(this.policy, this.home, (message) =>
      this.stream.emit({ kind: 'notice', at: Date.now(), message }),
    )
  }

  /** Has the store remember something. Nobody waits for it, and nothing depends on it. */
  learn(asks: readonly Ask[]): void {
    this.attempt('learn', async (store) => {
      await store.judge(asks)
    })
  }

  /** Puts another policy in force, whole; what is under way is finished under the old one. */
  adopt({ policy, egress, responses }: Pick<LoadedPolicy, 'policy' | 'egress' | 'responses'>): void {
    this.policy = policy
    this.egressRules = egress
    this.responses = responses
    this.plan = policy.plan(this.plugins)
    this.door.adopt()
    this.tarpit = new Tarpit(policy.config.tarpit.longest, policy.config.tarpit.most)
    this.lookups.adopt(policy)
    for (const listener of this.onAdopted) listener()
  }

  /** Called whenever another policy is in force, or other rules. */
  onAdopt(listener: () => void): void {
    this.onAdopted.push(listener)
  }

  /** Opens the store, once; called at start by processes that serve, and by the first session at the latest. */
  serve(): OpenedStore {
    if (!this.opened) {
      const opened = this.openStore()
      if (this.plugins.includes(DNSBL_PLUGIN)) this.lookups.start()
      // Nobody is judged before it is known who is banned.
      const ready = opened.ready
        .then(() => this.jail?.follow(opened.store))
        .then(() => {
          this.steering?.follow(opened.store)
          if (this.steering) this.pardons.follow(opened.store)
          this.isReady = true
        })
      this.opened = {
        ready,
        get store() {
          return opened.store
        },
      }
    }
    return this.opened
  }

  get deadlineMs(): number {
    return JUDGE_DEADLINE_MS + this.policy.config.tarpit.longest
  }

  get openSessions(): number {
    return this.leases.sessions
  }

  reportFailure(failure: GuardFailure): void {
    this.stream.emit({ kind: 'guard', at: Date.now(), ...failure })
  }

  private reportError(plugin: string, hook: string, error: unknown): void {
    this.reportFailure({ plugin, hook, failure: 'error', message: textOf(error) })
  }

  /** A plugin's answer for one stage, see {@link StageJudge.answer}. */
  answer(...asked: Parameters<StageJudge['answer']>): Answer | Promise<Answer> {
    return this.judge.answer(...asked)
  }

  /**
   * A plugin's answer for the client itself: at the earliest hook whose answer counts, and later only for another client
   * that XCLIENT has shown since.
   */
  answerClient(plugin: string, connection: Connection): Answer | Promise<Answer> {
    const session = this.sessions.of(connection)
    if (session.judgedBy.includes(plugin)) return undefined
    session.judgedBy.push(plugin)
    return this.answer(plugin, 'connect', connection, session.client)
  }

  /** The session is over: what it holds goes back. */
  end(connection: Connection): void {
    const session = this.sessions.find(connection)
    if (!session || session.closed) return
    this.conduct.end(connection, session)
    this.reputations?.end(connection, session)
    this.sessions.close(session)
    this.leases.giveBack(session)
  }

  /** Once the sessions that are open have ended: until then they are judged as ever. */
  async close(): Promise<void> {
    await this.sessions.drained()
    this.leases.stop()
    this.load.stop()
    this.lookups.close()
    this.desk.close()
    this.counters.flush()
    this.leases.giveAllBack()
    if (!this.opened) return
    await this.opened.ready
    await this.opened.store.close()
  }

  /** For a process that is about to exit: what can be written at once. */
  closeNow(): void {
    this.counters.flush()
    this.leases.giveAllBack()
    this.opened?.store.closeNow()
  }

  /** The bounds of a session are judged at a reply, which cannot wait. */
  private judgeReply(plugin: string, connection: Connection): Answer {
    const answer = this.answer(plugin, 'command', connection, {})
    return answer instanceof Promise ? undefined : answer
  }

  /** Nobody waits for these: a failure is told, and the lease's own expiry mends it. */
  private readonly attempt: Attempt = (what, action) => {
    const failed = (error: unknown) =>
      this.reportFailure({ plugin: 'store', hook: what, failure: 'error', message: String(error) })
    try {
      Promise.resolve(action(this.serve().store)).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
