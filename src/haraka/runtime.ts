import type { Policy } from '../config/compile'
import { OVERLOAD_PLUGIN } from '../gates/overload/overload-gate'
import { LEASE_TTL_MS } from '../gates/limits/limits-gate'
import type { Decision, Outcome } from '../policy/decision'
import { type GatePlan, judgeStage } from '../policy/pipeline'
import type { Stage } from '../policy/subject'
import type { LeaseRef, Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { Answer, GuardFailure } from './guard'
import { LoadWatch } from './load-watch'
import { watchReplies } from './replies'
import { replyFor } from './reply'
import { type Session, Sessions, type StageRun } from './session'
import { subjectAtDoor, subjectOf } from './subject'
import { Tarpit } from './tarpit'
import type { Connection, EnvelopeAddress } from './types'

/** Leases are prolonged three times within their life. */
const HEARTBEAT_MS = LEASE_TTL_MS / 3
const LEASES_PER_RENEWAL = 200
/** Haraka's own; it asks no hook. */
const ANSWER_TO_HELP = 'Not implemented'
/** Time for a decision itself; a store has its own, much shorter deadline. */
const JUDGE_DEADLINE_MS = 5000

export interface RuntimeOptions {
  /** Haraka's directory; relative paths of the config start here. */
  readonly home: string
  readonly policy: Policy
  readonly stream: EventStream
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
  readonly sessions: Sessions
  policy: Policy
  tarpit: Tarpit
  readonly load = new LoadWatch()
  private readonly openStore: () => OpenedStore
  private opened: OpenedStore | undefined
  private isReady = false
  private plan: GatePlan
  private doorPlan: GatePlan
  private readonly plugins: string[] = []
  private readonly holders = new Set<Session>()
  private readonly heartbeat: NodeJS.Timeout

  constructor({ home, policy, stream, openStore }: RuntimeOptions) {
    this.home = home
    this.policy = policy
    this.stream = stream
    this.openStore = openStore
    this.plan = policy.plan(this.plugins)
    this.doorPlan = policy.plan([OVERLOAD_PLUGIN])
    this.tarpit = new Tarpit(policy.config.tarpit.longest, policy.config.tarpit.most)
    this.sessions = new Sessions((address) => this.policy.trusted.find(address) === true)
    this.heartbeat = setInterval(() => this.renewLeases(), HEARTBEAT_MS).unref()
  }

  /** Counts a plugin among those whose gates are asked, in the order in which Haraka loads them. */
  list(plugin: string): void {
    if (this.plugins.includes(plugin)) return
    this.plugins.push(plugin)
    this.plan = this.policy.plan(this.plugins)
  }

  /** Puts another policy in force, whole; what is under way is finished under the old one. */
  adopt(policy: Policy): void {
    this.policy = policy
    this.plan = policy.plan(this.plugins)
    this.doorPlan = policy.plan([OVERLOAD_PLUGIN])
    this.tarpit = new Tarpit(policy.config.tarpit.longest, policy.config.tarpit.most)
  }

  /** Opens the store, once; called at start by processes that serve, and by the first session at the latest. */
  serve(): OpenedStore {
    if (!this.opened) {
      this.opened = this.openStore()
      void this.opened.ready.then(() => {
        this.isReady = true
      })
    }
    return this.opened
  }

  get deadlineMs(): number {
    return JUDGE_DEADLINE_MS + this.policy.config.tarpit.longest
  }

  get openSessions(): number {
    return this.holders.size
  }

  reportFailure(failure: GuardFailure): void {
    this.stream.emit({ kind: 'guard', at: Date.now(), ...failure })
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
   * The line for a client that plugin overload turns away before Haraka makes a session of it; false to let it in. What
   * is only found in shadow is left to the connect stage, and so is everybody whose address is a proxy's. Never throws.
   */
  refuseAtDoor(ip: string, port: number, isProxy: (ip: string) => boolean): string | false {
    if (this.load.level < 2) return false
    const started = performance.now()
    try {
      if (isProxy(ip)) return false
      const subject = subjectAtDoor(this.sessions.clientAt(ip), port, this.load)
      const outcome = judgeStage(this.doorPlan, subject, this.serve().store)
      const decision = outcome instanceof Promise ? undefined : outcome.answers.get(OVERLOAD_PLUGIN)
      if (outcome instanceof Promise || decision === undefined) return false
      this.stream.emit({ kind: 'judged', outcome, tookMs: performance.now() - started })
      return String(replyFor(decision).message)
    } catch (error) {
      this.reportFailure({ plugin: OVERLOAD_PLUGIN, hook: 'door', failure: 'error', message: String(error) })
      return false
    }
  }

  /** From now on every reply of a session counts against its bounds; `plugin` answers for the refusal that ends it. */
  holdToBounds(plugin: string, connection: Connection): void {
    const session = this.sessions.of(connection)
    watchReplies(connection).onReply = (code, text) => {
      if (code >= 500) session.errors++
      else if (code >= 400 || text === ANSWER_TO_HELP) this.sessions.countJunk(connection)
      else return undefined
      const { errors, junk } = this.policy.session
      if (session.errors <= errors && session.junk <= junk) return undefined
      const answer = this.answer(plugin, 'command', connection, {})
      return answer instanceof Promise ? undefined : answer
    }
  }

  /** The session is over: what it holds goes back. */
  end(connection: Connection): void {
    const session = this.sessions.find(connection)
    if (!session) return
    session.closed = true
    session.onClose?.()
    this.giveBack(session)
  }

  async close(): Promise<void> {
    clearInterval(this.heartbeat)
    this.load.stop()
    for (const session of this.holders) this.giveBack(session)
    if (!this.opened) return
    await this.opened.ready
    await this.opened.store.close()
  }

  /** For a process that is about to exit: what can be written at once. */
  closeNow(): void {
    for (const session of this.holders) this.giveBack(session)
    this.opened?.store.closeNow()
  }

  private judge(
    stage: Stage,
    connection: Connection,
    session: Session,
    token: object,
    recipient: EnvelopeAddress | undefined,
  ): StageRun {
    // What was taken for the address that the session had before.
    if (stage === 'connect') this.giveBack(session)
    const subject = subjectOf(stage, connection, session, this.policy.tenants, this.load, recipient)
    const started = performance.now()
    // Haraka listens before the store is open; the first sessions wait for it, within the guard's deadline.
    const opened = this.opened ?? this.serve()
    const judged = this.isReady
      ? judgeStage(this.plan, subject, opened.store)
      : opened.ready.then(() => judgeStage(this.plan, subject, opened.store))
    const conclude = (settled: Outcome) => (run.outcome = this.conclude(settled, connection, session, started))
    const run: StageRun = { stage, token, outcome: judged, answered: new Set() }
    if (judged instanceof Promise) run.outcome = judged.then(conclude)
    else conclude(judged)
    session.run = run
    return run
  }

  private conclude(outcome: Outcome, connection: Connection, session: Session, started: number): Outcome {
    if (outcome.leases.length > 0) this.hold(session, outcome.leases)
    if (outcome.subject.stage !== 'command' || outcome.decisions.length > 0) {
      this.stream.emit({ kind: 'judged', outcome, tookMs: performance.now() - started })
    }
    for (const decision of outcome.decisions) noteResult(connection, decision)
    if (outcome.failure) {
      const { message } = outcome.failure
      this.reportFailure({ plugin: 'store', hook: outcome.subject.stage, failure: 'error', message })
    }
    return outcome
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
    if (!mayWait(outcome) || !this.tarpit.accepts(decision.retryAfterMs)) return replyFor(decision)
    return this.tarpit.hold(session, decision.retryAfterMs).then(async (present) => {
      if (!present) return undefined
      const run = this.judge(decision.stage, connection, session, token, recipient)
      run.answered.add(plugin)
      const again = (await run.outcome).answers.get(plugin)
      return again === undefined ? undefined : replyFor(again)
    })
  }

  private hold(session: Session, leases: readonly LeaseRef[]): void {
    session.leases.push(...leases)
    // The client may have gone while the store was asked: its disconnect has found nothing to give back.
    if (session.closed) this.giveBack(session)
    else this.holders.add(session)
  }

  /** Gives back what a session holds; also when its address changes, before the new one is judged. */
  private giveBack(session: Session): void {
    this.holders.delete(session)
    if (session.leases.length === 0) return
    const leases = session.leases
    session.leases = []
    this.attempt('release', (store) => store.release(leases))
  }

  private renewLeases(): void {
    const leases = [...this.holders].flatMap((session) => session.leases)
    for (let start = 0; start < leases.length; start += LEASES_PER_RENEWAL) {
      const some = leases.slice(start, start + LEASES_PER_RENEWAL)
      this.attempt('renew', (store) => store.renew(some, LEASE_TTL_MS))
    }
  }

  /** Nobody waits for these: a failure is told, and the lease's own expiry mends it. */
  private attempt(what: string, action: (store: Store) => void | Promise<void>): void {
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

/** Lets other Haraka plugins (karma among them) see what we found. */
function noteResult(connection: Connection, { action, rule }: Decision): void {
  if (action === 'accept') connection.results.add({ name: 'sluice' }, { msg: `shadow ${rule.name}` })
  else connection.results.add({ name: 'sluice' }, { fail: rule.name })
}
