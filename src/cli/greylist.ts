import { Command } from 'commander'
import { parseIp } from '../keys/address'
import { foldSender, organisationalDomain } from '../keys/mailbox'
import { tierText, NETWORK_TIER } from '../gates/limits/rule'
import { type Greylist, passesAsk } from '../gates/greylist/greylist-gate'
import type { Ask, KeyState, Store } from '../store/store'
import { oneLine } from '../telemetry/escape'
import { MOST_READ } from './limits/find-keys'
import { withStore } from './open'
import { CliError, humanTime, print, printJson, readMost, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice greylist list --waiting
  sluice greylist show someone@example.com
  sluice greylist allow someone@example.com
  sluice greylist forget 192.0.2.7`

const TRIPLET = 'greylist|'
const WHO = 'an address of a sender or recipient, a domain, or an IP address'

interface Common {
  readonly dir: string
  readonly json?: true
}

/** A triplet as a person wants to see it. */
interface Triplet {
  readonly key: string
  readonly client: string
  readonly sender: string
  readonly recipient: string
  /** 0: it has been tried, and has not come back in time yet. */
  readonly passes: number
  readonly expiresAt: number
}

/** `sluice greylist list|show|allow|forget`: whom greylisting knows. */
export function greylistCommand(): Command {
  const command = new Command('greylist').description('whom greylisting knows').addHelpText('after', EXAMPLES)
  command.addCommand(
    common(new Command('list').description('triplets, those that wait first'))
      .option('--waiting', 'only those that have not come back yet')
      .option('--most <n>', 'how many', readMost, 50)
      .action(list),
  )
  command.addCommand(
    common(new Command('show').description('all triplets of somebody')).argument('<who>', WHO).action(show),
  )
  command.addCommand(
    common(new Command('allow').description('take what waits for somebody at its next try'))
      .argument('<who>', WHO)
      .option('--dry-run', 'say what would be taken')
      .action(allow),
  )
  command.addCommand(
    common(new Command('forget').description('forget somebody: he is a stranger again'))
      .argument('<who>', WHO)
      .option('--dry-run', 'say what would be forgotten')
      .action(forget),
  )
  return command
}

function common(command: Command): Command {
  return command.option('--dir <dir>', 'Haraka directory', '.').option('--json', 'print JSON')
}

async function list({ dir, json, waiting, most }: Common & { waiting?: true; most: number }): Promise<void> {
  await withStore(dir, async (store) => {
    const all = (await readTriplets(store)).filter(({ passes }) => !waiting || passes === 0)
    const shown = all.sort((a, b) => a.passes - b.passes || b.expiresAt - a.expiresAt).slice(0, most)
    showAll(shown, json)
    if (!json && all.length > shown.length) say(`${all.length - shown.length} more: --most ${all.length}`)
    if (!json && all.length === 0) say(waiting ? 'Nobody waits.' : 'Greylisting knows nobody yet.')
  })
}

async function show(who: string, { dir, json }: Common): Promise<void> {
  await withStore(dir, async (store) => {
    const found = await findTriplets(store, who)
    showAll(found, json)
    if (!json && found.length === 0) say(`Greylisting knows nothing of ${who}.`)
  })
}

interface Change extends Common {
  readonly dryRun?: true
}

/** Lets pass what waits, and remembers a network or a domain as one that comes back. */
async function allow(who: string, { dir, json, dryRun }: Change): Promise<void> {
  await withStore(dir, async (store, { greylist }) => {
    const waiting = (await findTriplets(store, who)).filter(({ passes }) => passes === 0)
    const client = originOf(who)
    if (!dryRun) {
      for (const { key } of waiting) await store.judge([letPass(key, greylist)])
      if (client !== undefined) await prove(store, client, greylist.passMs)
    }
    const origin = client === undefined ? [] : [client]
    if (json) return printJson({ dryRun: dryRun === true, triplets: waiting, clients: origin })
    const verb = dryRun ? 'would take' : 'takes'
    for (const { sender, recipient } of waiting) print(`${verb} ${sender} for ${recipient} at the next try`)
    for (const text of origin) {
      print(`${verb} everything from ${text} at once, for ${humanTime(greylist.passMs)} after its last new message`)
    }
    if (waiting.length === 0 && client === undefined) throw new CliError(`nothing of ${who} waits`)
  })
}

function letPass(key: string, { retryMs, passMs }: Greylist): Ask {
  return { op: 'triplet', key, enforced: false, delayMs: 0, retryMs, passMs }
}

async function prove(store: Store, origin: string, passMs: number): Promise<void> {
  const ask = { ...passesAsk(origin, passMs, 1), apartMs: 0 }
  for (let pass = 0; pass < ask.most; pass++) await store.judge([ask])
}

async function forget(who: string, { dir, json, dryRun }: Change): Promise<void> {
  await withStore(dir, async (store, { greylist }) => {
    const keys = (await findTriplets(store, who)).map(({ key }) => key)
    const client = originOf(who)
    if (client !== undefined) keys.push(passesAsk(client, greylist.passMs).key)
    const forgotten = dryRun ? 0 : await store.reset(keys)
    if (json) return printJson({ dryRun: dryRun === true, keys, forgotten })
    for (const key of keys) print(`${dryRun ? 'would forget' : 'forgot'} ${key}`)
    if (keys.length === 0) say(`Greylisting knows nothing of ${who}.`)
  })
}

async function readTriplets(store: Store): Promise<Triplet[]> {
  const states = await store.list(TRIPLET, MOST_READ)
  if (states.length === MOST_READ) say(`Only ${MOST_READ} triplets were looked at; the store holds more.`)
  return states.filter(({ op }) => op === 'triplet').map(tripletOf)
}

async function findTriplets(store: Store, who: string): Promise<Triplet[]> {
  const is = matcher(who)
  return (await readTriplets(store)).filter(is)
}

/** What a person types, as keys hold it. */
function matcher(who: string): (triplet: Triplet) => boolean {
  const address = parseIp(who)
  if (address) {
    const network = tierText(address, NETWORK_TIER)
    return ({ client }) => client === network
  }
  const text = who.toLowerCase()
  const at = text.lastIndexOf('@')
  if (at >= 0) {
    const folded = foldSender(text.slice(0, at), text.slice(at + 1)).address
    return ({ sender, recipient }) => sender === folded || recipient === folded
  }
  const of = (party: string) => party.endsWith(`@${text}`) || party.endsWith(`.${text}`)
  return ({ client, sender, recipient }) => client === text || of(sender) || of(recipient)
}

/** Of a network or a domain: the client that greylisting would take it for. Undefined for a single mailbox. */
function originOf(who: string): string | undefined {
  const address = parseIp(who)
  if (address) return tierText(address, NETWORK_TIER)
  return who.includes('@') ? undefined : organisationalDomain(who.toLowerCase())
}

function tripletOf({ key, counts, expiresAt }: KeyState): Triplet {
  const [, client = '', sender = '', recipient = ''] = key.split('|').map(unescaped)
  return { key, client, sender, recipient, passes: counts[0]?.count ?? 0, expiresAt }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function showAll(triplets: readonly Triplet[], json: true | undefined): void {
  if (json) {
    printJson(triplets.map(({ expiresAt, ...rest }) => ({ ...rest, expires: new Date(expiresAt).toISOString() })))
    return
  }
  if (triplets.length === 0) return
  const now = Date.now()
  const rows = triplets.map(({ client, sender, recipient, passes, expiresAt }) => [
    passes === 0 ? 'waits' : `passed ${passes}x`,
    humanTime(Math.max(0, expiresAt - now)),
    client,
    sender,
    recipient,
  ])
  for (const line of table([['STATE', 'KEPT FOR', 'CLIENT', 'SENDER', 'RECIPIENT'], ...rows])) print(oneLine(line))
}
