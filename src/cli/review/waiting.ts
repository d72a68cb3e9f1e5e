import type { LoadedPolicy } from '../../config/load'
import { labelOf } from '../../egress/label'
import { senderTarget, sendersOf } from '../../egress/sender-target'
import { listQueue, queueFolder, readQueued } from '../egress/queue-folder'
import { CliError } from '../terminal'

/** So many files are looked into; a look costs a tenth of a millisecond. */
const MOST_LOOKED_AT = 50_000

/** Messages in the queue of this host, by sender. */
export interface Waiting {
  readonly of: ReadonlyMap<string, number>
  /** Files that were not looked into. */
  readonly unseen: number
}

/** Undefined where there is no queue that can be read. */
export async function waitingOf(
  dir: string,
  targets: ReadonlySet<string>,
  { policy }: LoadedPolicy,
): Promise<Waiting | undefined> {
  const folder = queueFolder(dir)
  const found = await listQueue(folder).catch((error: unknown) => {
    if (error instanceof CliError) return undefined
    throw error
  })
  if (!found) return undefined
  const of = new Map<string, number>()
  for (const file of found.files.slice(0, MOST_LOOKED_AT)) {
    const read = await readQueued(folder, file)
    if (!read || !('head' in read) || read.head.sender === '') continue
    for (const name of sendersOf(labelOf(read.head.notes, policy.egress.classes.standard))) {
      const target = senderTarget(name)
      if (targets.has(target)) of.set(target, (of.get(target) ?? 0) + 1)
    }
  }
  return { of, unseen: Math.max(0, found.files.length - MOST_LOOKED_AT) }
}
