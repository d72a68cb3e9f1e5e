import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openStore, parseStoreSpec } from '../../src/store/open-store'
import type { HarakaServer } from './haraka'
import type { MailWorld } from './mail-world'
import type { SmtpSink, Taken } from './smtp-sink'

/** A file of Haraka's queue, as far as it can be read. */
export interface QueueFile {
  readonly name: string
  /** Of the message, or of the one that a report is about. */
  readonly ids: readonly string[]
  readonly sender: string
  readonly recipients: readonly string[]
  readonly dueAt: number
  readonly attempts: number
}

/** How many hosts have taken a message for a recipient, reports say that it failed, and queue files are still to be sent. */
export interface Fate {
  readonly taken: number
  readonly reported: number
  readonly queued: number
}

/** What is in a queue directory; files that are no messages are passed over. */
export function readQueue(directory: string): QueueFile[] {
  return readdirSync(directory).flatMap((name) => readQueueFile(directory, name) ?? [])
}

function readQueueFile(directory: string, name: string): QueueFile | undefined {
  const parts = name.split('_')
  if (parts.length !== 7) return undefined
  try {
    const bytes = readFileSync(path.join(directory, name))
    const length = bytes.readUInt32BE(0)
    const todo = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as {
      readonly mail_from: { readonly user: string | null; readonly host: string }
      readonly rcpt_to: readonly { readonly user: string; readonly host: string }[]
    }
    const { user, host } = todo.mail_from
    return {
      name,
      ids: idsIn(bytes.toString('latin1', 4 + length)),
      sender: user ? `${user}@${host}` : '',
      recipients: todo.rcpt_to.map((one) => `${one.user}@${one.host}`),
      dueAt: Number(parts[1]),
      attempts: Number(parts[2]),
    }
  } catch {
    // Cut off, removed meanwhile, or none.
    return undefined
  }
}

function idsIn(text: string): string[] {
  return [...text.matchAll(/^Message-Id: <(.*)>/gim)].map(([, id]) => id!)
}

/** Recipients that a report tells of as failed. */
export function reportedIn({ text }: Pick<Taken, 'text'>): string[] {
  if (!/^Action: failed/m.test(text)) return []
  return [...text.matchAll(/^Final-Recipient: rfc822; ?(.*?)\r?$/gm)].map(([, address]) => address!)
}

/** Reports of some messages that a host was given. */
export function reportsOf({ messages }: SmtpSink, ids: readonly string[]): Taken[] {
  return messages.filter(({ text }) => ids.some((id) => text.includes(`<${id}>`)))
}

/** What has become of a message for one of its recipients so far. */
export function fateOf(world: MailWorld, servers: readonly HarakaServer[], id: string, recipient: string): Fate {
  const messages = world.sinks.flatMap((sink) => sink.messages)
  const isReport = (one: Taken) => one.recipients.includes('ann@near.test')
  const queue = servers.flatMap(({ dir }) => readQueue(path.join(dir, 'queue')))
  return {
    taken: messages.filter((one) => one.id === id && one.recipients.includes(recipient)).length,
    reported: messages.filter((one) => {
      return isReport(one) && idsIn(one.text).includes(id) && reportedIn(one).includes(recipient)
    }).length,
    queued: queue.filter((file) => {
      return file.ids.includes(id) && (file.sender === '' || file.recipients.includes(recipient))
    }).length,
  }
}

/** The fates of all that was posted, or of some, as `taken/reported/queued`. */
export function fates(
  world: MailWorld,
  servers: readonly HarakaServer[],
  ids: readonly string[] = world.sent,
): string[] {
  const posted = world.posted.filter(({ id }) => ids.includes(id))
  return posted.flatMap(({ id, to }) =>
    to.map((recipient) => {
      const { taken, reported, queued } = fateOf(world, servers, id, recipient)
      return `${taken}/${reported}/${queued}`
    }),
  )
}

/** Looks until `holds` throws no more, and resolves with what it gives; rejects with what it throws when it is too late. */
export async function eventually<T>(holds: () => T | Promise<T>, timeoutMs = 15_000, everyMs = 50): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await holds()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await delay(everyMs)
  }
}

/** Places that are held in a store, by path: `{ 'egress_place|default|far.test': 3 }`. Nothing when all are free. */
export async function placesHeld(spec: string): Promise<Record<string, number>> {
  const store = openStore(parseStoreSpec(spec), {
    role: 'operator',
    onChange: () => undefined,
    onNotice: () => undefined,
  })
  await store.open()
  try {
    const states = await store.list('egress_place', 1000)
    const held = states.map(({ key, counts }) => [key, counts.reduce((sum, { count }) => sum + count, 0)] as const)
    return Object.fromEntries(held.filter(([, count]) => count > 0))
  } finally {
    await store.close()
  }
}

/** Every place is free again, every connection to a host closed, and the server alive. */
export async function assertAtRest(world: MailWorld, servers: readonly HarakaServer[], spec: string): Promise<void> {
  await eventually(async () => {
    assert.deepEqual(await placesHeld(spec), {})
    for (const { options, open } of world.sinks) assert.equal(open, 0, `connections to ${options.host}`)
    for (const { child, log } of servers) assert.equal(child.exitCode ?? child.signalCode, null, log.slice(-3000))
  })
}
