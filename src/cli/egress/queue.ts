import { resolve } from 'node:path'
import { Command } from 'commander'
import type { LoadedPolicy } from '../../config/load'
import { isMeant } from '../../egress/errand'
import { labelOf } from '../../egress/label'
import { type DeliveryRecord, readDeliveries } from '../../telemetry/delivery-log'
import { oneLine } from '../../telemetry/escape'
import { type Common, common } from '../directory'
import { readConfig } from '../open'
import { humanTime, print, printJson, readMost, say, table } from '../terminal'
import { type MessageTarget, readMessages } from './messages'
import { PathFinder } from './path-finder'
import { type Oddity, type QueuedFile, type QueuedMessage, listQueue, queueFolder, readQueued } from './queue-folder'
import { sayAnswer } from './show-path'

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
  if (json) {
    const messages = rows.map(({ message, last }) => forMachines(message, last, found.paths, config))
    return printJson({ messages, odd: found.odd, unseen: found.unseen })
  }
  const head = ['MESSAGE', 'DUE IN', 'AGE', 'ATTEMPTS', 'CLASS', 'FROM', 'TO', 'PATH OR DOMAIN', 'LAST ANSWER']
  if (rows.length > 0) {
    const lines = rows.map(({ message, last }) => rowOf(message, last, { config, now, paths: found.paths }))
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
}

function rowOf(message: QueuedMessage, last: DeliveryRecord | undefined, { config, now, paths }: RowContext): string[] {
  const { name, head } = message
  const { dueAt, attempts, id } = name
  return [
    oneLine(id),
    dueAt > now ? humanTime(dueAt - now) : 'now',
    humanTime(Math.max(0, now - (queuedAt(message) ?? now))),
    String(attempts),
    classOf(message, config),
    head.sender === '' ? '<>' : oneLine(head.sender),
    recipientsText(head.recipients),
    oneLine(paths.get(id) ?? last?.path ?? head.domain),
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
