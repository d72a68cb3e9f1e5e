import { Command } from 'commander'
import { modeText } from '../policy/mode'
import { exactKeys, findKeys, MOST_READ } from './limits/find-keys'
import { keyReader, type KeyUsage } from './limits/read-key'
import { type Common, common } from './directory'
import { withStore } from './open'
import { humanTime, print, printJson, readMost, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice limits top --most 5
  sluice limits show 192.0.2.7
  sluice limits show me@example.com --json
  sluice limits reset example.com --dry-run
  sluice limits reset "sender|me@example.com"`

/** `sluice limits top|show|reset`: looks into the counters of a running server, and clears them. */
export function limitsCommand(): Command {
  const command = new Command('limits').description('look at counters, clear them').addHelpText('after', EXAMPLES)
  const what = 'a key, IP address, mail address, domain, account or tenant; <> for the null sender'
  command.addCommand(
    common(new Command('top').description('the counters closest to their limit'))
      .option('--most <n>', 'how many', readMost, 20)
      .action(top),
  )
  command.addCommand(
    common(new Command('show').description('all counters of somebody')).argument('<what>', what).action(show),
  )
  command.addCommand(
    common(new Command('reset').description('forget the counters of somebody: the limits begin anew'))
      .argument('<what>', what)
      .option('--dry-run', 'say what would be forgotten')
      .action(reset),
  )
  return command
}

async function top({ dir, json, most }: Common & { readonly most: number }): Promise<void> {
  await withStore(dir, async (store, policy) => {
    const states = await store.list('', MOST_READ)
    if (states.length === MOST_READ) say(`Only ${MOST_READ} counters were looked at; the store holds more.`)
    // What is remembered of triplets and of behaviour is no limit that fills up.
    const counters = states.filter(({ op }) => op !== 'triplet' && op !== 'merit')
    const fullest = counters.map(keyReader(policy)).sort((a, b) => b.used - a.used || a.key.localeCompare(b.key))
    showAll(fullest.slice(0, most), json)
  })
}

async function show(what: string, { dir, json }: Common): Promise<void> {
  await withStore(dir, async (store, policy) => {
    const found = (await findKeys(store, policy, what)).map(keyReader(policy))
    showAll(found, json)
    if (found.length === 0 && !json) say(`Nothing is counted for ${what} just now.`)
  })
}

async function reset(what: string, { dir, json, dryRun }: Common & { readonly dryRun?: true }): Promise<void> {
  await withStore(dir, async (store, policy) => {
    const keys = (await findKeys(store, policy, what)).map(({ key }) => key).sort()
    // Also those that the store does not know, or knows no more: a server may still remember that one is exhausted.
    const told = new Set([...keys, ...exactKeys(policy, what)])
    const forgotten = dryRun || told.size === 0 ? 0 : await store.reset([...told])
    if (json) return printJson({ dryRun: dryRun === true, keys, forgotten })
    for (const key of keys) print(`${dryRun ? 'would forget' : 'forgot'} ${key}`)
    if (keys.length === 0) say(`Nothing is counted for ${what} just now.`)
    if (!dryRun && told.size > 0) say('Servers that share the store forget what they remember of it within a second.')
  })
}

function showAll(keys: readonly KeyUsage[], json: true | undefined): void {
  if (json) return printJson(keys.map(forMachines))
  if (keys.length === 0) return
  const rows = keys.flatMap(rowsOf)
  for (const line of table([['USED', 'COUNT', 'IN', 'RULE', 'MODE', 'KEY'], ...rows])) print(line)
}

function rowsOf({ key, rule, usages, mean }: KeyUsage): string[][] {
  const behaved = mean === undefined ? '' : `, mean ${mean.toFixed(2)}`
  return usages.map(({ count, limit, windowMs }) => [
    limit === undefined ? '-' : `${Math.round((100 * count) / limit)}%`,
    limit === undefined ? `${count}${behaved}` : `${count}/${limit}`,
    windowMs === 0 ? 'now' : humanTime(windowMs),
    rule?.name ?? '(no rule)',
    rule ? modeText(rule.mode) : '-',
    key,
  ])
}

function forMachines({ key, rule, values, usages, used, mean, expiresAt }: KeyUsage): object {
  const expires = Number.isFinite(expiresAt) ? new Date(expiresAt).toISOString() : null
  return { key, rule: rule?.name ?? null, values, used, windows: usages, ...(mean !== undefined && { mean }), expires }
}
