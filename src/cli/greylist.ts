import { Command } from 'commander'
import { type Greylist, passesAsk } from '../gates/greylist/greylist-gate'
import type { Ask, Store } from '../store/store'
import { findClients, findTriplets, readClients, readTriplets, showKnown } from './greylist/known'
import { type Who, readWho } from './greylist/who'
import { type Common, common } from './directory'
import { withStore } from './open'
import { CliError, humanTime, print, printJson, readMost, say } from './terminal'

const EXAMPLES = `
Examples:
  sluice greylist list --waiting
  sluice greylist show someone@example.com
  sluice greylist allow someone@example.com
  sluice greylist forget 192.0.2.7`

const WHO = 'an address of a sender or recipient, a domain, or an IP address'

/** What else an operator might take for done. */
const ONLY_WITH_SPF =
  'Without a plugin spf in config/plugins nothing is proved: then, or for mail that SPF does not prove, list the domain ' +
  'under greylist.allow in config/sluice.yaml, or allow the address of its server.'

/** `sluice greylist list|show|allow|forget`: whom greylisting knows. */
export function greylistCommand(): Command {
  const command = new Command('greylist').description('whom greylisting knows').addHelpText('after', EXAMPLES)
  command.addCommand(
    common(
      new Command('list').description('triplets, those that wait first, and clients whose new messages have come back'),
    )
      .option('--waiting', 'only those that have not come back yet')
      .option('--most <n>', 'how many', readMost, 50)
      .action(list),
  )
  command.addCommand(
    common(new Command('show').description('all that is known of somebody')).argument('<who>', WHO).action(show),
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

async function list({ dir, json, waiting, most }: Common & { waiting?: true; most: number }): Promise<void> {
  await withStore(dir, async (store) => {
    const triplets = (await readTriplets(store)).filter(({ passes }) => !waiting || passes === 0)
    const clients = waiting ? [] : await readClients(store)
    showKnown({ triplets: triplets.slice(0, most), clients: clients.slice(0, most) }, json)
    if (json) return
    const longest = Math.max(triplets.length, clients.length)
    if (longest > most) say(`Some are not shown: --most ${longest}`)
    if (longest === 0) say(waiting ? 'Nobody waits.' : 'Greylisting knows nobody yet.')
  })
}

async function show(text: string, { dir, json }: Common): Promise<void> {
  const who = readWho(text)
  await withStore(dir, async (store) => {
    const known = { triplets: await findTriplets(store, who), clients: await findClients(store, originOf(who)) }
    showKnown(known, json)
    if (!json && known.triplets.length + known.clients.length === 0) say(`Greylisting knows nothing of ${text}.`)
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

/** The client that greylisting would take a network or a domain for. Undefined for a single mailbox. */
function originOf(who: Who): string | undefined {
  if (who.kind === 'network') return who.network
  return who.kind === 'domain' ? who.organisation : undefined
}
