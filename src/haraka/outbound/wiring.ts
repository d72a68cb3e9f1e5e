import { PathBook } from '../../egress/path-book'
import { chooseSource } from '../../egress/sources'
import { isSenderTarget, saySender, senderTarget, sendersOf } from '../../egress/sender-target'
import type { Steering } from '../../egress/steering'
import { concerns } from '../../egress/steering-action'
import { limitsUnder, stretchUnder } from '../../egress/steering-limits'
import { Answers } from '../../feedback/answers'
import { isEnforced } from '../../policy/mode'
import type { Runtime } from '../runtime'
import { textOf } from '../guard'
import type { HarakaPlugin } from '../types'
import type { AttemptEnd, Untried } from './attempt-event'
import { Deliveries } from './deliveries'
import { DeliveryRecords, Planner } from './delivery'
import { Endings, senderPaused } from './endings'
import { reuseSessions } from './install'
import { type Boards, openBoards } from './boards'
import { type Label, labelOf } from './label'
import { answerTo } from './feedback-of'
import { openLearning } from './learning'
import { type OutboundMail, sendOwnMail } from './own-mail'
import type { SessionPools } from './pool'
import { type QueueItem, isBounce } from './queue-item'
import { readingsOf } from './readings'
import { Reporter } from './reports'
import { Routes, type RunHooks } from './routes'
import { type Holding, holdingDifferences } from './shapes'
import { type QueueWriter, Splitter, type Splitting } from './split'
import type { Mx } from './types'
import { endUnreadable } from './unreadable'
import { leaveUnwritten } from './unwritten'
import { Warming } from './warming'

/** All that plugin egress has in a process. */
export interface Egress {
  readonly deliveries: Deliveries
  readonly endings: Endings
  readonly steering: Steering
  readonly onFailure: (what: string, error: unknown) => void
  close(): void
}

/** Haraka's own default is 10,000, for which no process has the sockets. */
const MOST_UNDER_WAY = 1000

/** What of Haraka's outbound the plugin works with. */
interface Outbound extends OutboundMail {
  readonly delivery_queue: { push(item: QueueItem): void }
  readonly HMailItem: QueueWriter['HMailItem'] & { readonly prototype: { split_to_new_recipients: Splitting } }
  build_todo: QueueWriter['build_todo']
  readonly net_utils: { readonly HarakaMx: new (written: unknown) => Mx; get_primary_host_name(): string }
}
interface OutboundConfig {
  readonly cfg: { temp_fail_intervals: number[]; readonly concurrency_max: number }
}

export function openEgress(by: HarakaPlugin, runtime: Runtime): Egress {
  const told = tellers(runtime)
  const steering = runtime.openSteering()
  steering.onChange((target) => {
    if (isSenderTarget(target)) return
    for (const { path } of deliveries.loads()) if (concerns(target, path)) deliveries.pump(path)
    // Another source of the pool may have room.
    reconsider((path) => steering.ordersOf(path).suspendedUntil !== undefined)
    boards.changed()
  })
  const answers = new Answers(() => runtime.responses)
  const learning = openLearning(runtime, steering, answers, told.onFailure)
  const parts = makeDeliveries({ by, runtime, steering, answers, told }, (end) => {
    boards.noteEnd(end.path.path)
    learning.note(end)
  })
  const { deliveries, endings } = parts
  const reconsider = (isOf?: (path: string) => boolean) =>
    void deliveries.reconsider(isOf).catch((error: unknown) => told.onFailure('placing what waits anew', error))
  runtime.onAdopt(() => reconsider())
  const boards: Boards = openBoards(by, {
    deliveries,
    endings,
    planner: parts.planner,
    store: () => runtime.serve().store,
    ...told,
  })
  parts.pools = reuseSessions(by, deliveries)
  const sessions = () => parts.pools ?? { connections: 0, parked: 0 }
  runtime.watch(readingsOf({ work: () => deliveries.work(), sessions, warmups: () => parts.warming.standings() }))
  endUnreadable((by.haraka_require('outbound') as Outbound).HMailItem.prototype, (item, why) => {
    endings.defer(() => undefined, item, { err: why })
  })
  const opened = runtime.serve()
  void opened.ready.then(() => {
    boards.follow(opened.store)
    parts.warming.follow(opened.store)
  })
  const close = () => {
    boards.close()
    learning.close()
    parts.warming.close()
    deliveries.close()
    parts.pools?.close()
  }
  return { deliveries, endings, steering, onFailure: told.onFailure, close }
}

type Tellers = ReturnType<typeof tellers>

function tellers(runtime: Runtime) {
  return {
    onNotice: (message: string) => runtime.stream.emit({ kind: 'notice', at: Date.now(), message }),
    onFailure: (hook: string, error: unknown) =>
      runtime.reportFailure({ plugin: 'egress', hook, failure: 'error', message: textOf(error) }),
  }
}

interface Parts {
  readonly deliveries: Deliveries
  readonly endings: Endings
  readonly planner: Planner
  readonly warming: Warming
  /** None where Haraka's client_pool is not as we know it, and until it is replaced. */
  pools: SessionPools | undefined
}

interface Surroundings {
  readonly by: HarakaPlugin
  readonly runtime: Runtime
  readonly steering: Steering
  readonly answers: Answers
  readonly told: Tellers
}

function makeDeliveries(
  { by, runtime, steering, answers, told }: Surroundings,
  onAttempt: (end: AttemptEnd) => void,
): Parts {
  const outbound = by.haraka_require('outbound') as Outbound
  const config = by.haraka_require('outbound/config') as OutboundConfig
  const store = () => runtime.serve().store
  const enqueue = (items: readonly QueueItem[]) => items.forEach((item) => outbound.delivery_queue.push(item))
  const book = new PathBook(() => runtime.egressRules)
  const records = new DeliveryRecords(book, (provider) => answers.readerFor(provider))
  const warming: Warming = new Warming({
    runtime,
    pump: (path) => deliveries.pump(path),
    reconsider: (isOf) => deliveries.reconsider(isOf),
    onNotice: told.onNotice,
    onFailure: (error) => told.onFailure('warming up', error),
  })
  const planner = makePlanner(by, runtime, { steering, warming }, book)
  const endings = makeEndings({ outbound, config, runtime, steering, records, answers, enqueue, told })
  const splitter = new Splitter({
    writer: { ...outbound, names: by.haraka_require('outbound/qfile') as QueueWriter['names'] },
    onPart: (part, from) => deliveries.adopt(part, from),
    ...told,
  })
  splitter.install(outbound.HMailItem.prototype)
  leaveUnwritten(outbound)
  const deliveries: Deliveries = new Deliveries({
    book,
    planner,
    records,
    endings,
    store,
    pausedBy: (item) => pausedBy(item, steering),
    mostSessionMessages: (path) => steering.ordersOf(path).mostSessionMessages,
    limitsOf: (path) => ({
      ...limitsUnder(path.profile, steering.ordersOf(path.path)),
      warmingUntil: warming.heldUntil(path),
    }),
    budget: warming,
    connections: (path) => ({
      count: () => parts.pools?.connectionsOf(path) ?? 0,
      closeIdle: () => parts.pools?.closeIdle(path),
    }),
    mostUnderWay: () => Math.min(config.cfg.concurrency_max, MOST_UNDER_WAY),
    splitUp: async (item, most) => enqueue(await splitter.splitUp(item, most)),
    heldIn: (item) => runtime.suppressions?.heldIn(item, labelFor(item, runtime)) ?? [],
    setApart: async (item, recipients) => {
      const others = item.todo!.rcpt_to.filter((recipient) => !recipients.includes(recipient))
      enqueue(await splitter.splitInto(item, [recipients, others]))
    },
    onAttempt,
    ...told,
  })
  const parts: Parts = { deliveries, endings, planner, warming, pools: undefined }
  return parts
}

function makePlanner(
  by: HarakaPlugin,
  runtime: Runtime,
  { steering, warming }: { readonly steering: Steering; readonly warming: Warming },
  book: PathBook,
): Planner {
  const {
    net_utils: { HarakaMx },
  } = by.haraka_require('outbound') as Outbound
  const { run_hooks: runHooks } = by.haraka_require('plugins') as { run_hooks: RunHooks }
  const makeMx = (written: unknown) => new HarakaMx(typeof written === 'object' ? { ...written } : written)
  return new Planner({
    book,
    routes: new Routes(runtime.lookups.resolver, runHooks, makeMx),
    labelOf: (item) => labelFor(item, runtime),
    sourceFor: (item, label, mx) => {
      const { domain, uuid } = item.todo!
      return chooseSource(runtime.policy.egress, {
        ...label,
        stickyKey: uuid,
        resting: ({ name }) => {
          const path = book.resolve({ domain, mx, source: name })
          return steering.ordersOf(path.path).suspendedUntil !== undefined || warming.isResting(path, item)
        },
      })
    },
  })
}

interface EndingParts {
  readonly outbound: Outbound
  readonly config: OutboundConfig
  readonly runtime: Runtime
  readonly steering: Steering
  readonly records: DeliveryRecords
  readonly answers: Answers
  readonly enqueue: (items: readonly QueueItem[]) => void
  readonly told: Tellers
}

function makeEndings({ outbound, config, runtime, steering, records, answers, enqueue, told }: EndingParts): Endings {
  return new Endings({
    lifetimes: () => runtime.policy.egress,
    retryOf: (item) => records.profileOf(item).retry,
    stretchOf: (item) => stretchUnder(steering.ordersOf(records.of(item)?.path.path ?? '')),
    lastAttempt: (item) => records.lastAttempt(item),
    onUntried: (item, untried) => records.noteUntried(item, untried),
    delayFor: (item) => delayFor(item, records, runtime, answers),
    onDeferred: (item, at) => records.noteRetry(item, at),
    onGivenUp: (item) => records.noteGivenUp(item),
    intervals: () => config.cfg.temp_fail_intervals,
    reporter: new Reporter({
      host: () => outbound.net_utils.get_primary_host_name(),
      send: (to, contents) => sendOwnMail(outbound, to, contents),
    }),
    store: () => runtime.serve().store,
    readAgain: ({ filename, path }, afterMs) => {
      setTimeout(() => enqueue([new outbound.HMailItem(filename, path)]), afterMs).unref()
    },
    ...told,
  })
}

/** Bounces go out all the same: they are for the senders of others' mail, and for our own, who must know. */
function pausedBy({ todo }: QueueItem, steering: Steering): Untried | undefined {
  if (isBounce(todo!)) return undefined
  for (const name of sendersOf(labelOf(todo!.notes, 'system'))) {
    for (const { action, holds } of steering.holding(senderTarget(name))) {
      if (holds && action.values.suspended) return senderPaused(saySender(name), action.id)
    }
  }
  return undefined
}

/** Of a recipient who gets too much, say: the next attempt shall not make it worse. */
function delayFor(item: QueueItem, records: DeliveryRecords, { responses, policy }: Runtime, answers: Answers): number {
  const last = records.lastAttempt(item)
  const delivery = records.of(item)
  if (!last || !delivery || !isEnforced(policy.automation.mode, delivery.path.path)) return 0
  const rule = answerTo({ ...delivery, attempt: last.attempt }, answers)?.rule
  const consequences = rule === undefined ? [] : (responses.ruleNamed(rule)?.consequences ?? [])
  return Math.max(0, ...consequences.map(({ does, forMs }) => (does === 'delay' ? forMs : 0)))
}

function labelFor({ todo }: QueueItem, runtime: Runtime): Label {
  const label = labelOf(todo!.notes, runtime.policy.egress.classes.standard)
  return isBounce(todo!) ? { ...label, mailClass: 'system' } : label
}

/**
 * Whether Haraka's outbound is as it was in the release that mail is held with. If not, the log says so, and mail is
 * delivered as Haraka does by itself.
 */
export function knowsOutbound(by: HarakaPlugin): boolean {
  const found = unknownIn(by)
  if (found.length > 0) by.logwarn(`mail goes out as Haraka sends it, without rates and limits: ${found.join('; ')}`)
  return found.length === 0
}

function unknownIn(by: HarakaPlugin): string[] {
  try {
    return holdingDifferences({
      hmail: (by.haraka_require('outbound/hmail') as { prototype: Holding['hmail'] }).prototype,
      queue: by.haraka_require('outbound/queue') as Holding['queue'],
      writer: {
        ...(by.haraka_require('outbound') as Outbound),
        names: by.haraka_require('outbound/qfile') as QueueWriter['names'],
      },
      config: by.haraka_require('outbound/config') as Holding['config'],
    })
  } catch (error) {
    return [String(error)]
  }
}
