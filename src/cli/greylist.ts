import { Command } from 'commander'
import { type Greylist, passesAsk } from '../gates/greylist/greylist-gate'
import type { Ask, KeyState, Store } from '../store/store'
import { oneLine } from '../telemetry/escape'
import { type Who, readWho } from './greylist/who'
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

/** What else an operator might take for done. */
const ONLY_WITH_SPF =
  'Without a plugin spf in config/plugins nothing is proved: then, or for mail that SPF does not prove, list the domain ' +
  'under greylist.allow in config/sluice.yaml, or allow the address of its server.'

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

async function show(text: string, { dir, json }: Common): Promise<void> {
  const who = readWho(text)
  await withStore(dir, async (store) => {
    const found = await findTriplets(store, who)
    showAll(found, json)
    if (!json && found.length === 0) say(`Greylisting knows nothing of ${text}.`)
  })
}

interface Change extends Common {
  readonly dryRun?: true
}

/** Lets pass what waits, and remembers a network or a domain as one that comes back. */
async function allow(text: string, { dir, json, dryRun }: Change): Promise<void> {
  const who = readWho(text)
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
    if (client !== undefined) {
      const whose = who.kind === 'domain' ? `that SPF proves to be from ${client}` : `from ${client}`
      print(`${verb} everything ${whose} at once, for ${humanTime(greylist.passMs)} after its last new message`)
    }
    if (who.kind === 'domain') say(ONLY_WITH_SPF)
    if (waiting.length === 0 && client === undefined) throw new CliError(`nothing of ${text} waits`)
  })
}

function letPass(key: string, { retryMs, passMs }: Greylist): Ask {
  return { op: 'triplet', key, enforced: false, delayMs: 0, retryMs, passMs }
}

async function prove(store: Store, origin: string, passMs: number): Promise<void> {
  const ask = { ...passesAsk(origin, passMs, 1), apartMs: 0 }
  for (let pass = 0; pass < ask.most; pass++) await store.judge([ask])
}

async function forget(text: string, { dir, json, dryRun }: Change): Promise<void> {
  const who = readWho(text)
  await withStore(dir, async (store, { greylist }) => {
    const keys = (await findTriplets(store, who)).map(({ key }) => key)
    const client = originOf(who)
    if (client !== undefined) keys.push(passesAsk(client, greylist.passMs).key)
    const forgotten = dryRun ? 0 : await store.reset(keys)
    if (json) return printJson({ dryRun: dryRun === true, keys, forgotten })
    for (const key of keys) print(`${dryRun ? 'would forget' : 'forgot'} ${key}`)
    if (keys.length === 0) say(`Greylisting knows nothing of ${text}.`)
  })
}

async function readTriplets(store: Store): Promise<Triplet[]> {
  const states = await store.list(TRIPLET, MOST_READ)
  if (states.length === MOST_READ) say(`Only ${MOST_READ} triplets were looked at; the store holds more.`)
  return states.filter(({ op }) => op === 'triplet').map(tripletOf)
}

async function findTriplets(store: Store, who: Who): Promise<Triplet[]> {
  const is = matcher(who)
  return (await readTriplets(store)).filter(is)
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

/** The client that greylisting would take a network or a domain for. Undefined for a single mailbox. */
function originOf(who: Who): string | undefined {
  if (who.kind === 'network') return who.network
  return who.kind === 'domain' ? who.organisation : undefined
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
