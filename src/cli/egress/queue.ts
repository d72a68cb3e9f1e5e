import { resolve } from 'node:path'
import { Command } from 'commander'
import type { LoadedPolicy } from '../../config/load'
import { storeSpecOf } from '../../config/store-spec'
import { isMeant } from '../../egress/errand'
import { labelOf } from '../../egress/label'
import type { PathTotal } from '../../egress/path-load'
import { StoreError } from '../../store/store'
import { type DeliveryRecord, readDeliveries } from '../../telemetry/delivery-log'
import { oneLine } from '../../telemetry/escape'
import { type Common, common } from '../directory'
import { readConfig, whyNoStore, withStore } from '../open'
import { humanTime, print, printJson, readMost, say, table } from '../terminal'
import { type MessageTarget, readMessages } from './messages'
import { PathFinder } from './path-finder'
import { type Oddity, type QueuedFile, type QueuedMessage, listQueue, queueFolder, readQueued } from './queue-folder'
import { readReports } from './reports'
import { sayAnswer } from './show-path'
import { readTotals } from './totals'

const EXAMPLES = `
Examples:
  sluice egress queue                     messages of this host, the first to be tried first
  sluice egress queue google --most 200   those for a provider; asks DNS where their domains are
  sluice egress queue someone@example.com from or to somebody
  sluice egress queue --json`

/** So many files are looked into; a look costs a tenth of a millisecond. */
const MOST_LOOKED_AT = 50_000
/** Nothing is in the queue for longer, unless the lifetime is. */
const LOOK_BACK_MS = 3 * 86_400_000

interface Options extends Common {
  readonly most: number
}

/** `sluice egress queue`: what is in the queue of this host. */
export function queueCommand(): Command {
  return common(
    new Command('queue')
      .description('messages in the queue of this host: when they are tried, and what was said of them last')
      .argument('[what]', 'a path, a recipient domain, an address (sender or recipient), or the name of a queue file')
      .option('--most <n>', 'how many', readMost, 50),
  )
    .addHelpText('after', EXAMPLES)
    .action(queue)
}

async function queue(what: string | undefined, { dir, most, json }: Options): Promise<void> {
  const config = readConfig(dir)
  const target = what === undefined ? undefined : await readMessages(what, config)
  const found = await findQueued(dir, config, target, most)
  const last = await lastAttempts(dir, config, found.messages)
  const rows = found.messages.map((message) => ({ message, last: last.get(message.name.id) }))
  const now = Date.now()
  const held = await heldBack(dir, config, found, now)
  if (json) {
    const messages = rows.map(({ message, last }) => ({
      ...forMachines(message, last, found.paths, config),
      hold: held.get(message.name.id)?.hold,
      emptyInMs: held.get(message.name.id)?.emptyInMs,
    }))
    return printJson({ messages, odd: found.odd, unseen: found.unseen })
  }
  const head = ['MESSAGE', 'DUE IN', 'AGE', 'ATTEMPTS', 'CLASS', 'FROM', 'TO', 'PATH OR DOMAIN', 'LAST ANSWER']
  if (rows.length > 0) {
    const lines = rows.map(({ message, last }) => rowOf(message, last, { config, now, held, paths: found.paths }))
    for (const line of table([head, ...lines])) print(line)
  }
  sayRest(found, what, most)
}

export interface FoundQueued {
  readonly folder: string
  readonly messages: readonly QueuedMessage[]
  /** There are more that were meant. */
  readonly hasMore: boolean
  readonly odd: readonly Oddity[]
  /** Files that were not looked into. */
  readonly unseen: number
  /** Paths of messages, by id, as far as they had to be found out. */
  readonly paths: ReadonlyMap<string, string>
}

/** The first messages in this host's queue that are meant, by when they are tried. Rejects with a {@link CliError}. */
export async function findQueued(
  dir: string,
  config: LoadedPolicy,
  target: MessageTarget | undefined,
  most: number,
): Promise<FoundQueued> {
  const folder = queueFolder(dir)
  const { files, odd } = await listQueue(folder)
  const paths = new Map<string, string>()
  const finder = new PathFinder(config)
  const messages: QueuedMessage[] = []
  let looked = 0
  try {
    for (const file of target && 'file' in target ? files.filter(({ name }) => name.id === target.file) : files) {
      if (messages.length > most || looked === MOST_LOOKED_AT) break
      looked++
      const read = await readQueued(folder, file)
      if (!read) continue
      if (!('head' in read)) odd.push(read)
      else if (await isWanted(read, target, finder, paths)) messages.push(read)
    }
  } finally {
    finder.close()
  }
  const hasMore = messages.length > most
  const unseen = looked === MOST_LOOKED_AT ? files.length - looked : 0
  return { folder, messages: messages.slice(0, most), hasMore, odd, unseen, paths }
}

async function isWanted(
  message: QueuedMessage,
  target: MessageTarget | undefined,
  finder: PathFinder,
  paths: Map<string, string>,
): Promise<boolean> {
  if (target === undefined) return true
  const { head, name } = message
  if ('address' in target) {
    return [head.sender, ...head.recipients].some((address) => address.toLowerCase() === target.address)
  }
  const path = 'path' in target ? await finder.pathOf(head) : undefined
  if (path !== undefined) paths.set(name.id, path)
  return isMeant(target, { id: name.id, domain: head.domain, path }) === true
}

/** The last attempt at each message, as far as the delivery log of this host has it. */
async function lastAttempts(
  dir: string,
  { policy }: LoadedPolicy,
  messages: readonly QueuedFile[],
): Promise<Map<string, DeliveryRecord>> {
  const wanted = new Set(messages.filter(({ name }) => name.attempts > 0).map(({ name }) => name.id))
  const found = new Map<string, DeliveryRecord>()
  if (wanted.size === 0) return found
  const filter = {
    since: Date.now() - LOOK_BACK_MS,
    containsAny: [...wanted],
    matches: ({ file }: DeliveryRecord) => wanted.has(file),
  }
  const folder = resolve(dir, policy.config.decisions.path)
  for await (const record of readDeliveries(folder, filter, { most: Infinity })) {
    if (!found.has(record.file)) found.set(record.file, record)
    if (found.size === wanted.size) break
  }
  return found
}

interface RowContext {
  readonly config: LoadedPolicy
  readonly now: number
  readonly paths: ReadonlyMap<string, string>
  readonly held: ReadonlyMap<string, PathTotal>
}

/** Of messages that are due and whose source warms up: what holds their path, by id. */
async function heldBack(
  dir: string,
  config: LoadedPolicy,
  { messages, paths }: FoundQueued,
  now: number,
): Promise<Map<string, PathTotal>> {
  const held = new Map<string, PathTotal>()
  const { warmup } = config.policy.egress
  const due = messages.filter(({ name }) => name.dueAt <= now)
  const spec = storeSpecOf(config.policy.config.store, dir)
  if (due.length === 0 || warmup.sources.size === 0 || whyNoStore(spec) !== undefined) return held
  let totals: PathTotal[] = []
  try {
    await withStore(dir, async (store) => {
      totals = await readTotals(store, warmup, (await readReports(store)).loads, now)
    })
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    // The queue is in files of this host: who looks at it while the store is away is to see it.
    say(`What mail waits for is not known: ${error.message}`)
  }
  if (!totals.some(({ hold }) => hold === 'warmup')) return held
  const finder = new PathFinder(config)
  try {
    for (const { name, head } of due) {
      const path = paths.get(name.id) ?? (await finder.pathOf(head))
      const total = totals.find((one) => one.path === path && one.hold === 'warmup')
      if (total) held.set(name.id, total)
    }
    return held
  } finally {
    finder.close()
  }
}

/** Where in its line a message stands nobody tells: it leaves with the last of them at the latest. */
function dueText(dueAt: number, now: number, held: PathTotal | undefined): string {
  if (dueAt > now) return humanTime(dueAt - now)
  if (!held) return 'now'
  return held.emptyInMs === undefined ? 'warm-up' : `warm-up, at most ${humanTime(held.emptyInMs)}`
}

function rowOf(
  message: QueuedMessage,
  last: DeliveryRecord | undefined,
  { config, now, paths, held }: RowContext,
): string[] {
  const { name, head } = message
  const { dueAt, attempts, id } = name
  return [
    oneLine(id),
    dueText(dueAt, now, held.get(id)),
    humanTime(Math.max(0, now - (queuedAt(message) ?? now))),
    String(attempts),
    classOf(message, config),
    head.sender === '' ? '<>' : oneLine(head.sender),
    recipientsText(head.recipients),
    oneLine(paths.get(id) ?? held.get(id)?.path ?? last?.path ?? head.domain),
    last === undefined ? '-' : sayAnswer(last),
  ]
}

function classOf({ head }: QueuedMessage, { policy }: LoadedPolicy): string {
  return head.sender === '' ? 'system' : labelOf(head.notes, policy.egress.classes.standard).mailClass
}

function queuedAt({ head, name }: QueuedMessage): number | undefined {
  return head.queuedAt ?? name.queuedAt
}

function recipientsText([first = '-', ...more]: readonly string[]): string {
  return more.length === 0 ? oneLine(first) : `${oneLine(first)} and ${more.length} more`
}

function sayRest(
  { folder, messages, hasMore, odd, unseen }: FoundQueued,
  what: string | undefined,
  most: number,
): void {
  if (messages.length === 0) {
    const none = what === undefined ? `Nothing waits in ${folder}.` : `Nothing in ${folder} is for ${oneLine(what)}.`
    say(`${none} Other hosts have queues of their own: sluice egress list tells of all that share the store.`)
  } else if (hasMore) say(`These are the first ${most}: --most shows more.`)
  if (unseen > 0) say(`${unseen} files were not looked into: there are too many.`)
  for (const { filename, what: found, todo } of odd.slice(0, most))
    say(`${oneLine(filename)}: ${oneLine(found)}. ${todo}.`)
  if (odd.length > most) say(`and ${odd.length - most} more files that are no messages`)
}

function forMachines(
  message: QueuedMessage,
  last: DeliveryRecord | undefined,
  paths: ReadonlyMap<string, string>,
  config: LoadedPolicy,
): object {
  const { filename, name, head } = message
  const queued = queuedAt(message)
  return {
    id: name.id,
    file: filename,
    due: new Date(name.dueAt).toISOString(),
    queued: queued === undefined ? undefined : new Date(queued).toISOString(),
    attempts: name.attempts,
    class: classOf(message, config),
    sender: head.sender,
    recipients: head.recipients,
    domain: head.domain,
    path: paths.get(name.id) ?? last?.path,
    lastAnswer: last && sayAnswer(last),
  }
}
