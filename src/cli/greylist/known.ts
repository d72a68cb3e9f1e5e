import { PASSES } from '../../gates/greylist/greylist-gate'
import type { KeyState, Store } from '../../store/store'
import { oneLine } from '../../telemetry/escape'
import { MOST_READ } from '../limits/find-keys'
import { humanTime, print, printJson, say, table } from '../terminal'
import type { Who } from './who'

const TRIPLET = 'greylist|'
const CLIENT = 'greylist_client|'

/** A triplet as a person wants to see it. */
export interface Triplet {
  readonly key: string
  readonly client: string
  readonly sender: string
  readonly recipient: string
  /** 0: it has been tried, and has not come back in time yet. */
  readonly passes: number
  readonly expiresAt: number
}

/** A network, or a domain that SPF proved, whose new triplets have come back. */
export interface KnownClient {
  readonly key: string
  readonly client: string
  /** How many have. From {@link PASSES} on it is taken at once. */
  readonly passes: number
  readonly expiresAt: number
}

export interface Known {
  readonly triplets: readonly Triplet[]
  readonly clients: readonly KnownClient[]
}

/** Those that wait first, then by how long they are kept. */
export async function readTriplets(store: Store): Promise<Triplet[]> {
  const triplets = (await readStates(store, TRIPLET, 'triplets')).map(tripletOf)
  return triplets.sort((a, b) => a.passes - b.passes || b.expiresAt - a.expiresAt)
}

/** Those that are taken at once first. */
export async function readClients(store: Store): Promise<KnownClient[]> {
  const clients = (await readStates(store, CLIENT, 'clients')).map(clientOf)
  return clients.sort((a, b) => b.passes - a.passes || b.expiresAt - a.expiresAt)
}

export async function findTriplets(store: Store, who: Who): Promise<Triplet[]> {
  return (await readTriplets(store)).filter(matcher(who))
}

export async function findClients(store: Store, origin: string | undefined): Promise<KnownClient[]> {
  return origin === undefined ? [] : (await readClients(store)).filter(({ client }) => client === origin)
}

/** As two tables, or as JSON. An empty table is not shown. */
export function showKnown({ triplets, clients }: Known, json: true | undefined): void {
  if (json) return printJson({ triplets: triplets.map(withDate), clients: clients.map(withDate) })
  const now = Date.now()
  const keptFor = ({ expiresAt }: { expiresAt: number }) => humanTime(Math.max(0, expiresAt - now))
  const rows = triplets.map((each) => [
    each.passes === 0 ? 'waits' : `passed ${each.passes}x`,
    keptFor(each),
    each.client,
    each.sender,
    each.recipient,
  ])
  printTable(['STATE', 'KEPT FOR', 'CLIENT', 'SENDER', 'RECIPIENT'], rows)
  if (triplets.length > 0 && clients.length > 0) print('')
  const taken = clients.map((each) => [
    each.passes >= PASSES ? 'taken at once' : `came back ${each.passes}x of ${PASSES}`,
    keptFor(each),
    each.client,
  ])
  printTable(['NEW MESSAGES', 'KEPT FOR', 'CLIENT'], taken)
}

function printTable(head: readonly string[], rows: readonly string[][]): void {
  if (rows.length === 0) return
  for (const line of table([[...head], ...rows])) print(oneLine(line))
}

function withDate<T extends { readonly expiresAt: number }>({ expiresAt, ...rest }: T) {
  return { ...rest, expires: new Date(expiresAt).toISOString() }
}

async function readStates(store: Store, prefix: string, what: string): Promise<readonly KeyState[]> {
  const states = await store.list(prefix, MOST_READ)
  if (states.length === MOST_READ) say(`Only ${MOST_READ} ${what} were looked at; the store holds more.`)
  return states
}

function tripletOf({ key, counts, expiresAt }: KeyState): Triplet {
  const [, client = '', sender = '', recipient = ''] = key.split('|').map(unescaped)
  return { key, client, sender, recipient, passes: counts[0]?.count ?? 0, expiresAt }
}

function clientOf({ key, counts, expiresAt }: KeyState): KnownClient {
  return { key, client: unescaped(key.slice(CLIENT.length)), passes: counts[0]?.count ?? 0, expiresAt }
}

function matcher(who: Who): (triplet: Triplet) => boolean {
  switch (who.kind) {
    case 'network':
      return ({ client }) => client === who.network
    case 'mailbox':
      return ({ sender, recipient }) => sender === who.address || recipient === who.address
    case 'domain': {
      const of = (party: string) => party.endsWith(`@${who.name}`) || party.endsWith(`.${who.name}`)
      return ({ client, sender, recipient }) => client === who.name || of(sender) || of(recipient)
    }
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
