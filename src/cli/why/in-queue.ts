import { existsSync } from 'node:fs'
import type { LoadedPolicy } from '../../config/load'
import type { PathTotal } from '../../egress/path-load'
import { sayDuration } from '../../policy/say'
import { StoreError } from '../../store/store'
import type { DeliveryRecord } from '../../telemetry/delivery-log'
import { oneLine } from '../../telemetry/escape'
import { PathFinder } from '../egress/path-finder'
import { type QueuedMessage, listQueue, queueFolder, readQueued } from '../egress/queue-folder'
import { readReports } from '../egress/reports'
import { sayHold, sayInterval } from '../egress/say-load'
import { sayAnswer } from '../egress/show-path'
import { readTotals } from '../egress/totals'
import { readConfig, withStore } from '../open'
import { CliError, say } from '../terminal'
import { line, utc } from './explain'
import type { MessageName } from './query'

/** A message that is in the queue of this host. */
export interface Queued {
  readonly message: QueuedMessage
  /** Undefined when it is put off, takes no mail, or DNS or the configuration does not say. */
  readonly path: string | undefined
  /** Of its path, over all servers; undefined also when none has said anything. */
  readonly total: PathTotal | undefined
}

/** A session may have sent any number. */
const MOST_SHOWN = 20
/** For an id, which stands in the file only. */
const MOST_LOOKED_AT = 50_000

/**
 * Messages of a name that are in the queue of this host, and what they wait for. What cannot be found out is said, and left
 * out: whoever asks may have no more than the logs.
 */
export async function findInQueue(dir: string, named: MessageName): Promise<Queued[]> {
  const messages = await attempt(() => find(dir, named))
  if (!messages || messages.length === 0) return []
  const now = Date.now()
  const waiting = messages.filter(({ name }) => name.dueAt <= now)
  const config = waiting.length > 0 ? await attempt(async () => readConfig(dir)) : undefined
  const paths = config ? await pathsOf(waiting, config) : new Map<QueuedMessage, string>()
  const totals = paths.size > 0 ? await attempt(() => totalsNow(dir, now)) : undefined
  return messages.map((message) => {
    const path = paths.get(message)
    return { message, path, total: totals?.find((total) => total.path === path) }
  })
}

async function find(dir: string, named: MessageName): Promise<QueuedMessage[]> {
  const folder = queueFolder(dir)
  // A copy of the logs, or a server that has sent nothing yet.
  if (!existsSync(folder)) return []
  const { files } = await listQueue(folder)
  const meant = 'file' in named ? files.filter(({ name }) => name.id === named.file) : files
  const found: QueuedMessage[] = []
  for (const file of meant.slice(0, MOST_LOOKED_AT)) {
    const read = await readQueued(folder, file)
    if (read && 'head' in read && ('file' in named || isNamed(read.head.uuid, named.id))) found.push(read)
    if (found.length === MOST_SHOWN) break
  }
  return found
}

function isNamed(uuid: string, id: string): boolean {
  return uuid === id || uuid.startsWith(`${id}.`)
}

async function pathsOf(messages: readonly QueuedMessage[], config: LoadedPolicy): Promise<Map<QueuedMessage, string>> {
  const finder = new PathFinder(config)
  const paths = new Map<QueuedMessage, string>()
  try {
    for (const message of messages) {
      const path = await finder.pathOf(message.head)
      if (path !== undefined) paths.set(message, path)
    }
    return paths
  } finally {
    finder.close()
  }
}

async function totalsNow(dir: string, now: number): Promise<PathTotal[]> {
  let totals: PathTotal[] = []
  await withStore(dir, async (store, { egress }) => {
    totals = await readTotals(store, egress.warmup, (await readReports(store)).loads, now)
  })
  return totals
}

async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CliError) && !(error instanceof StoreError)) throw error
    say(`what it waits for is not known: ${error.message}`)
    return undefined
  }
}

/** `last`: the last attempt, where the delivery log has it. */
export function explainQueued(
  { message, path, total }: Queued,
  last: DeliveryRecord | undefined,
  { now, dirOption }: { readonly now: number; readonly dirOption: string },
): string[] {
  const { name, head, filename } = message
  const more = head.recipients.length - 1
  const whom = oneLine(head.recipients[0] ?? head.domain) + (more > 0 ? ` and ${more} more` : '')
  const file = line('file', oneLine(filename))
  if (name.dueAt > now) {
    return [
      `in the queue: mail for ${whom} is put off, after ${name.attempts} ${name.attempts === 1 ? 'attempt' : 'attempts'}`,
      line('next', `${utc(name.dueAt)}, ${sayDuration(name.dueAt - now)} from now`),
      line('answer', last === undefined ? 'not in the log of this host' : sayAnswer(last)),
      line('do', `sluice egress flush ${oneLine(name.id)}${dirOption} tries it now`),
      file,
    ]
  }
  const lines = [`in the queue: mail for ${whom} is due, and waits for its path or is under way`]
  lines.push(line('path', path ?? `not known: DNS does not say where mail to ${oneLine(head.domain)} goes`))
  if (path === undefined) return [...lines, file]
  if (total && total.waitingInAll > 0) lines.push(line('held by', heldText(total)), line('goes', goesText(total)))
  else lines.push(line('held by', 'nothing waited for its path when servers last told, at most 30 seconds ago'))
  return [...lines, file]
}

function heldText({ hold, limits, waitingInAll, connections, pace }: PathTotal): string {
  const inForce = `${sayInterval(limits.intervalMs)}, ${connections} of ${limits.connections} connections`
  return `${sayHold(hold, limits)} (${inForce}; ${waitingInAll} wait, ${Number(pace.toFixed(2))}/s go of late)`
}

/** When the last of all that wait goes: where in the line this one stands nobody tells. */
function goesText({ emptyInMs, limits }: PathTotal): string {
  if (emptyInMs !== undefined) return `within about ${sayDuration(Math.max(1000, emptyInMs))}, if nothing changes`
  if (limits.suspendedUntil !== undefined) return `after ${utc(limits.suspendedUntil)}`
  return 'unknown: nothing has been sent on its path of late'
}

export function queuedForMachines({ message, path, total }: Queued): object {
  const { filename, name, head } = message
  return {
    kind: 'queued',
    file: filename,
    id: head.uuid,
    due: new Date(name.dueAt).toISOString(),
    attempts: name.attempts,
    path,
    hold: total?.hold,
    emptyInMs: total?.emptyInMs,
  }
}
