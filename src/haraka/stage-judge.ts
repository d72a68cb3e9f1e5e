import type { Policy } from '../config/compile'
import type { Steering } from '../egress/steering'
import { DNSBL_PLUGIN } from '../gates/dnsbl/dnsbl-gate'
import type { Outcome } from '../policy/decision'
import { type GatePlan, isRefusal, judgeStage } from '../policy/pipeline'
import type { Suppression } from '../policy/suppression'
import type { Stage } from '../policy/subject'
import type { Ask, Store } from '../store/store'
import type { EventStream } from '../telemetry/events'
import type { Conduct } from './conduct'
import { type Answer, type GuardFailure, textOf } from './guard'
import type { Jail } from './jail'
import type { Leases } from './leases'
import type { LoadFacts } from './load-watch'
import type { Lookups } from './lookups'
import { replyFor } from './reply'
import type { Reputations } from './reputations'
import { noteResults } from './results'
import type { Session, Sessions, StageRun } from './session'
import { accountOf, isSubmission, subjectOf, tenantOf } from './subject'
import type { Suppressions } from './suppressions'
import type { Tarpit } from './tarpit'
import type { Connection, EnvelopeAddress } from './types'

export interface StageJudgeOptions {
  readonly sessions: Sessions
  readonly leases: Leases
  readonly lookups: Pick<Lookups, 'reportListed' | 'banningList'>
  readonly load: LoadFacts
  readonly conduct: Pick<Conduct, 'noteListed'>
  readonly stream: EventStream
  /** These three are those in force: another policy replaces them. */
  readonly policy: () => Policy
  readonly plan: () => GatePlan
  readonly tarpit: () => Tarpit
  readonly jail: () => Jail | undefined
  readonly steering: () => Steering | undefined
  readonly reputations: () => Reputations | undefined
  readonly suppressions: () => Pick<Suppressions, 'lookUp' | 'drop'> | undefined
  readonly store: () => Store
  /** Resolves when the store can judge; undefined when it can. */
  readonly opening: () => Promise<void> | undefined
  /** Has the store remember something, without anybody waiting. */
  readonly learn: (asks: readonly Ask[]) => void
  readonly onFailure: (failure: GuardFailure) => void
}

/** One stage of one thing that comes before the gates. */
interface Matter {
  readonly stage: Stage
  readonly connection: Connection
  readonly session: Session
  readonly token: object
  readonly recipient: EnvelopeAddress | undefined
  /** Why no mail is sent to the recipient; looked up before the stage is judged. */
  suppressed: Suppression | undefined
}

/** Has the stages of all sessions judged, and answers for each plugin what that came to. */
export class StageJudge {
  /** Connections of strangers that may relay to some domains. */
  private readonly strangers = new WeakSet<Connection>()

  constructor(private readonly options: StageJudgeOptions) {}

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
    if (!this.options.plan().has(stage)) return undefined
    const session = this.options.sessions.of(connection)
    const matter: Matter = { stage, connection, session, token, recipient, suppressed: undefined }
    let run = session.run
    if (run?.stage !== stage || run.token !== token || run.answered.has(plugin)) {
      if (stage === 'rcpt') session.recipients++
      run = this.judge(matter)
    }
    run.answered.add(plugin)
    const { outcome } = run
    if (outcome instanceof Promise) return outcome.then((settled) => this.settle(plugin, settled, matter))
    return this.settle(plugin, outcome, matter)
  }

  private judge(matter: Matter): StageRun {
    const { stage, token, session } = matter
    const { leases, store, plan } = this.options
    // Its address has changed: what it holds belongs to the old one.
    if (stage === 'connect') {
      leases.giveBack(session)
      const reputations = this.options.reputations()
      if (reputations) session.reputation = reputations.knownOf(session.client)
    }
    const started = performance.now()
    const judgeNow = () => judgeStage(plan(), this.subjectOf(matter), store())
    const wait = this.waitBefore(matter)
    const judged = wait ? wait.then(judgeNow) : judgeNow()
    const conclude = (settled: Outcome) => (run.outcome = this.conclude(settled, matter, started))
    const run: StageRun = { stage, token, outcome: judged, answered: new Set() }
    if (judged instanceof Promise) run.outcome = judged.then(conclude)
    else conclude(judged)
    session.run = run
    return run
  }

  private subjectOf({ stage, connection, session, token, recipient, suppressed }: Matter) {
    const { policy, jail, steering, reputations, load } = this.options
    return subjectOf(stage, connection, session, {
      tenants: policy().tenants,
      token,
      recipient,
      jail: jail(),
      steering: steering(),
      limitFactor: reputations()?.factorOf(session) ?? 1,
      suppressed,
      load,
    })
  }

  /** What a stage cannot be judged without; undefined when everything is there, as it nearly always is. */
  private waitBefore(matter: Matter): Promise<unknown> | undefined {
    const { stage, connection, session } = matter
    // Haraka listens before the store is open; the first sessions wait for it, within the guard's deadline.
    const opening = this.options.opening()
    if (opening) return opening.then(() => this.waitBefore(matter))
    if (stage === 'connect') return this.hearOfPartner(session)
    if (stage === 'rcpt_ok' && isSubmission(connection)) return this.lookUpRecipient(matter)
    if (session.pending.length === 0 || stage === 'command') return undefined
    // What is asked about strangers keeps nobody else waiting.
    if (isSubmission(connection)) return undefined
    return Promise.all(session.pending).then(() => {
      session.pending = []
    })
  }

  /** Mail of strangers is delivered here, whoever may not be written to from here. */
  private lookUpRecipient(matter: Matter): Promise<unknown> | undefined {
    const { connection, recipient } = matter
    const suppressions = this.options.suppressions()
    if (!suppressions || !recipient || this.passesOn(connection)) return undefined
    const account = accountOf(connection)
    const tenant = account === undefined ? undefined : tenantOf(account, this.options.policy().tenants)
    const found = suppressions.lookUp(recipient, connection.transaction?.mail_from, tenant)
    if (found instanceof Promise) return found.then((one) => (matter.suppressed = one))
    matter.suppressed = found
    return undefined
  }

  /** A client whose neighbours are banned may be a partner, of whom this process has not heard. */
  private hearOfPartner({ client }: Session): Promise<unknown> | undefined {
    const { jail, onFailure } = this.options
    const reputations = this.options.reputations()
    if (!reputations || jail()?.isInDoubt(client) !== true) return undefined
    return reputations
      .hear(client)
      .catch((error: unknown) =>
        onFailure({ plugin: 'jail', hook: 'connect', failure: 'error', message: textOf(error) }),
      )
  }

  /**
   * A stranger who writes to a domain of relay_dest_domains. Haraka lets him relay from then on, and says why only in the first
   * transaction.
   */
  private passesOn(connection: Connection): boolean {
    const noted = connection.transaction?.results.get('relay') as { readonly pass?: unknown } | undefined
    if (Array.isArray(noted?.pass) && noted.pass.includes('relay_dest_domain')) this.strangers.add(connection)
    return this.strangers.has(connection) && accountOf(connection) === undefined
  }

  private conclude(outcome: Outcome, { connection, session, recipient }: Matter, started: number): Outcome {
    const { leases, reputations, learn, stream, onFailure } = this.options
    if (outcome.leases.length > 0) leases.hold(session, outcome.leases)
    if (outcome.merits.length > 0) reputations()?.note(session, outcome.merits)
    if (outcome.lessons.length > 0) learn(outcome.lessons)
    if (outcome.subject.stage !== 'command' || outcome.decisions.length > 0) {
      stream.emit({ kind: 'judged', outcome, tookMs: performance.now() - started })
    }
    noteResults(connection, outcome)
    const isDropped = recipient && outcome.decisions.some(({ action }) => action === 'drop')
    if (isDropped) this.options.suppressions()?.drop(recipient)
    if (outcome.answers.has(DNSBL_PLUGIN)) this.noteListed(connection, session)
    if (outcome.failure) {
      const { message } = outcome.failure
      onFailure({ plugin: 'store', hook: outcome.subject.stage, failure: 'error', message })
    }
    return outcome
  }

  /** Only who was refused for being listed is banned for it: who logs in, or is allowed, is not. */
  private noteListed(connection: Connection, session: Session): void {
    const { lookups, conduct, policy } = this.options
    const jail = this.options.jail()
    if (!jail || !lookups.reportListed(session)) return
    conduct.noteListed(connection)
    const list = policy().jail.mode.kind === 'off' ? undefined : lookups.banningList(session)
    if (list !== undefined) void jail.warden.ban(session.client, DNSBL_PLUGIN, `listed by ${list}`)
  }

  private settle(plugin: string, outcome: Outcome, matter: Matter): Answer | Promise<Answer> {
    const decision = outcome.answers.get(plugin)
    if (decision === undefined) return undefined
    const { retryAfterMs, rule } = decision
    const holdsOnce = rule.holdsOnce === true && decision.action === 'delay'
    // Somebody else's refusal stands; being held for nothing would not help the client.
    if (!mayWait(outcome)) return holdsOnce ? undefined : replyFor(decision)
    const { session, token } = matter
    const goOn = () => {
      if (holdsOnce) session.heldFor = token
      return this.judgeAgain(plugin, matter)
    }
    const tarpit = this.options.tarpit()
    if (!tarpit.accepts(retryAfterMs)) return holdsOnce ? goOn() : replyFor(decision)
    return tarpit.hold(session, retryAfterMs).then((present) => (present ? goOn() : undefined))
  }

  private async judgeAgain(plugin: string, matter: Matter): Promise<Answer> {
    // Those above have answered to what was judged before, and are not asked again.
    const answered = matter.session.run?.answered ?? new Set()
    const run = this.judge(matter)
    run.answered.add(plugin)
    const { decisions } = await run.outcome
    const again = decisions.find(
      (decision) => isRefusal(decision) && (decision.rule.plugin === plugin || answered.has(decision.rule.plugin)),
    )
    return again === undefined ? undefined : replyFor(again)
  }
}

/** Waiting helps only when nothing but delays stands against the client. */
function mayWait(outcome: Outcome): boolean {
  return outcome.decisions.every(({ enforced, action }) => !enforced || action === 'delay' || action === 'drop')
}
