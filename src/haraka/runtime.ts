import type { Policy } from '../config/compile'
import type { EgressRules } from '../egress/rules'
import { DNSBL_PLUGIN } from '../gates/dnsbl/dnsbl-gate'
import type { Outcome } from '../policy/decision'
import { type GatePlan, judgeStage } from '../policy/pipeline'
import type { Stage } from '../policy/subject'
import type { Ask, Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { AllReadings } from '../telemetry/metrics'
import type { Answer, GuardFailure } from './guard'
import { type FindAsn, asnFinder } from '../config/asn'
import { Conduct } from './conduct'
import { Door } from './door'
import { Jail } from './jail'
import { type Attempt, Leases } from './leases'
import { FAMILIAR_SCORE, LoadWatch } from './load-watch'
import { Lookups } from './lookups'
import type { Proxies } from './proxies'
import { replyFor } from './reply'
import { Reputations } from './reputations'
import { noteResults } from './results'
import { type Session, Sessions, type StageRun } from './session'
import { isSubmission, subjectOf } from './subject'
import { Tarpit } from './tarpit'
import type { Connection, EnvelopeAddress } from './types'

/** Time for a decision itself; a store has its own, much shorter deadline. */
const JUDGE_DEADLINE_MS = 5000

export interface RuntimeOptions {
  /** Haraka's directory; relative paths of the config start here. */
  readonly home: string
  readonly policy: Policy
  readonly rules: EgressRules
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
  readonly lookups: Lookups
  policy: Policy
  /** Providers and what holds for them, by which mail is delivered. */
  egressRules: EgressRules
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
  private readonly onAdopted: (() => void)[] = []

  constructor({ home, policy, rules, stream, proxies, watch, openStore }: RuntimeOptions) {
    this.home = home
    this.watch = watch
    this.policy = policy
    this.egressRules = rules
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
    this.leases = new Leases(this.attempt)
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
  adopt(policy: Policy, rules: EgressRules): void {
    this.policy = policy
    this.egressRules = rules
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
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.reportFailure({ plugin, hook, failure: 'error', message })
  }

  /**
   * A plugin's answer for one stage. The first plugin that asks has the whole stage judged, for all plugins, in one
   * batch; the others find it done. `token` is the thing judged: the same stage of another thing is judged afresh.
   */
  answer(
    plugin: string,
    stage: Stage,
    connection: Connection,
    token: object,
    recipient?: EnvelopeAddress,
  ): Answer | Promise<Answer> {
    if (!this.plan.has(stage)) return undefined
    const session = this.sessions.of(connection)
    let run = session.run
    if (run?.stage !== stage || run.token !== token || run.answered.has(plugin)) {
      if (stage === 'rcpt') session.recipients++
      run = this.judge(stage, connection, session, token, recipient)
    }
    run.answered.add(plugin)
    const { outcome } = run
    if (outcome instanceof Promise) {
      return outcome.then((settled) => this.settle(plugin, settled, connection, session, token, recipient))
    }
    return this.settle(plugin, outcome, connection, session, token, recipient)
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
    this.leases.giveAllBack()
    if (!this.opened) return
    await this.opened.ready
    await this.opened.store.close()
  }

  /** For a process that is about to exit: what can be written at once. */
  closeNow(): void {
    this.leases.giveAllBack()
    this.opened?.store.closeNow()
  }

  private judge(
    stage: Stage,
    connection: Connection,
    session: Session,
    token: object,
    recipient: EnvelopeAddress | undefined,
  ): StageRun {
    // Its address has changed: what it holds belongs to the old one.
    if (stage === 'connect') {
      this.leases.giveBack(session)
      if (this.reputations) session.reputation = this.reputations.knownOf(session.client)
    }
    const started = performance.now()
    const judgeNow = () => {
      const { tenants } = this.policy
      const subject = subjectOf(stage, connection, session, {
        tenants,
        token,
        recipient,
        jail: this.jail,
        limitFactor: this.reputations?.factorOf(session) ?? 1,
        load: this.load,
      })
      return judgeStage(this.plan, subject, this.serve().store)
    }
    const wait = this.waitBefore(stage, connection, session)
    const judged = wait ? wait.then(judgeNow) : judgeNow()
    const conclude = (settled: Outcome) => (run.outcome = this.conclude(settled, connection, session, started))
    const run: StageRun = { stage, token, outcome: judged, answered: new Set() }
    if (judged instanceof Promise) run.outcome = judged.then(conclude)
    else conclude(judged)
    session.run = run
    return run
  }

  /** What a stage cannot be judged without; undefined when everything is there, as it nearly always is. */
  private waitBefore(stage: Stage, connection: Connection, session: Session): Promise<unknown> | undefined {
    // Haraka listens before the store is open; the first sessions wait for it, within the guard's deadline.
    if (!this.isReady) return this.serve().ready.then(() => this.waitBefore(stage, connection, session))
    if (stage === 'connect') return this.hearOfPartner(session)
    if (session.pending.length === 0 || stage === 'command') return undefined
    // What is asked about strangers keeps nobody else waiting.
    if (isSubmission(connection)) return undefined
    return Promise.all(session.pending).then(() => {
      session.pending = []
    })
  }

  /** A client whose neighbours are banned may be a partner, of whom this process has not heard. */
  private hearOfPartner({ client }: Session): Promise<unknown> | undefined {
    if (!this.reputations || this.jail?.isInDoubt(client) !== true) return undefined
    return this.reputations.hear(client).catch((error: unknown) => this.reportError('jail', 'connect', error))
  }

  /** The bounds of a session are judged at a reply, which cannot wait. */
  private judgeReply(plugin: string, connection: Connection): Answer {
    const answer = this.answer(plugin, 'command', connection, {})
    return answer instanceof Promise ? undefined : answer
  }

  private conclude(outcome: Outcome, connection: Connection, session: Session, started: number): Outcome {
    if (outcome.leases.length > 0) this.leases.hold(session, outcome.leases)
    if (outcome.merits.length > 0) this.reputations?.note(session, outcome.merits)
    if (outcome.lessons.length > 0) this.learn(outcome.lessons)
    if (outcome.subject.stage !== 'command' || outcome.decisions.length > 0) {
      this.stream.emit({ kind: 'judged', outcome, tookMs: performance.now() - started })
    }
    noteResults(connection, outcome)
    if (outcome.answers.has(DNSBL_PLUGIN)) this.noteListed(connection, session)
    if (outcome.failure) {
      const { message } = outcome.failure
      this.reportFailure({ plugin: 'store', hook: outcome.subject.stage, failure: 'error', message })
    }
    return outcome
  }

  /** Only who was refused for being listed is banned for it: who logs in, or is allowed, is not. */
  private noteListed(connection: Connection, session: Session): void {
    if (!this.jail || !this.lookups.reportListed(session)) return
    this.conduct.noteListed(connection)
    const list = this.policy.jail.mode.kind === 'off' ? undefined : this.lookups.banningList(session)
    if (list !== undefined) void this.jail.warden.ban(session.client, DNSBL_PLUGIN, `listed by ${list}`)
  }

  private settle(
    plugin: string,
    outcome: Outcome,
    connection: Connection,
    session: Session,
    token: object,
    recipient: EnvelopeAddress | undefined,
  ): Answer | Promise<Answer> {
    const decision = outcome.answers.get(plugin)
    if (decision === undefined) return undefined
    const { retryAfterMs, rule, stage } = decision
    const holdsOnce = rule.holdsOnce === true && decision.action === 'delay'
    // Somebody else's refusal stands; being held for nothing would not help the client.
    if (!mayWait(outcome)) return holdsOnce ? undefined : replyFor(decision)
    const judgeAgain = async () => {
      if (holdsOnce) session.heldFor = token
      // Those above have answered to what was judged before, and are not asked again.
      const answered = session.run?.answered ?? new Set()
      const run = this.judge(stage, connection, session, token, recipient)
      run.answered.add(plugin)
      const { decisions } = await run.outcome
      const again = decisions.find(
        ({ action, rule: { plugin: by } }) => action !== 'accept' && (by === plugin || answered.has(by)),
      )
      return again === undefined ? undefined : replyFor(again)
    }
    if (!this.tarpit.accepts(retryAfterMs)) return holdsOnce ? judgeAgain() : replyFor(decision)
    return this.tarpit.hold(session, retryAfterMs).then((present) => (present ? judgeAgain() : undefined))
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

/** Waiting helps only when nothing but delays stands against the client. */
function mayWait(outcome: Outcome): boolean {
  return outcome.decisions.every(({ enforced, action }) => !enforced || action === 'delay')
}
