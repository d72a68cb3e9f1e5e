import { Command, InvalidArgumentError } from 'commander'
import {
  COUNTED,
  COUNTER_PREFIX,
  type Counted,
  type CountedBy,
  WINDOWS_MS,
  readCounterKey,
} from '../../feedback/counters'
import { keyValue } from '../../keys/key'
import type { KeyState } from '../../store/store'
import { oneLine } from '../../telemetry/escape'
import { type Common, common } from '../directory'
import { withStore } from '../open'
import { print, printJson, readMost, say, table } from '../terminal'

const EXAMPLES = `
Examples:
  sluice feedback stats                          the last 24 hours, what has most first
  sluice feedback stats --tenant acme            the tenant and its campaigns
  sluice feedback stats --campaign july --window 7d --json`

type Window = keyof typeof WINDOWS_MS

interface Options extends Common {
  readonly tenant?: string
  readonly account?: string
  readonly campaign?: string
  readonly provider?: string
  readonly window: Window
  readonly most: number
}

/** One whose mail is counted, with what was said of it in each window. */
interface Figures {
  readonly by: CountedBy
  /** Of a campaign the tenant stands before. */
  readonly names: readonly string[]
  readonly counts: Record<Window, Partial<Record<Counted, number>>>
}

const MOST_READ = 100_000

export function statsCommand(): Command {
  const command = common(new Command('stats').description('what the world has said of our mail, counted'))
    .option('--tenant <name>', 'of this tenant, and of its campaigns')
    .option('--account <name>', 'of this account')
    .option('--campaign <name>', 'of this campaign, of whatever tenant')
    .option(
      '--provider <name>',
      'of mail to this provider, as config/sluice/providers.yaml calls it; other for the rest',
    )
    .option('--window <window>', `how far back: ${Object.keys(WINDOWS_MS).join(', ')}`, readWindow, '24h')
    .option('--most <n>', 'how many rows', readMost, 50)
  return command.addHelpText('after', EXAMPLES).action(stats)
}

function readWindow(text: string): Window {
  if (Object.hasOwn(WINDOWS_MS, text)) return text as Window
  throw new InvalidArgumentError(`write one of ${Object.keys(WINDOWS_MS).join(', ')}.`)
}

async function stats(options: Options): Promise<void> {
  await withStore(options.dir, async (store) => {
    const states = await store.list(COUNTER_PREFIX, MOST_READ)
    if (states.length === MOST_READ) say(`Only ${MOST_READ} counters were looked at; the store holds more.`)
    const { window, most } = options
    const sum = ({ counts }: Figures) => Object.values(counts[window]).reduce((total, count) => total + count, 0)
    const wanted = figuresOf(states).filter((figures) => isWanted(figures, options) && sum(figures) > 0)
    wanted.sort((a, b) => sum(b) - sum(a) || nameOf(a).localeCompare(nameOf(b)))
    if (options.json) printJson(wanted.map(forMachines))
    else show(wanted.slice(0, most), window, wanted.length)
  })
}

function figuresOf(states: readonly KeyState[]): Figures[] {
  const all = new Map<string, Figures>()
  for (const { key, counts } of states) {
    const read = readCounterKey(key)
    if (!read) continue
    const { by, names, counted } = read
    const id = JSON.stringify([by, names])
    const figures = all.get(id) ?? { by, names, counts: { '1h': {}, '24h': {}, '7d': {} } }
    all.set(id, figures)
    for (const [window, windowMs] of Object.entries(WINDOWS_MS) as [Window, number][]) {
      figures.counts[window][counted] = counts.find((one) => one.windowMs === windowMs)?.count ?? 0
    }
  }
  return [...all.values()]
}

function isWanted({ by, names }: Figures, { tenant, account, campaign, provider }: Options): boolean {
  // A name that was too long to keep stands there as a digest.
  const is = (name: string | undefined, wanted: string) =>
    name === wanted || name === wanted.toLowerCase() || name === keyValue(wanted)
  if ([tenant, account, campaign, provider].every((one) => one === undefined)) return true
  switch (by) {
    case 'tenant':
      return tenant !== undefined && campaign === undefined && is(names[0], tenant)
    case 'account':
      return account !== undefined && is(names[0], account)
    case 'provider':
      return provider !== undefined && is(names[0], provider)
    case 'campaign':
      if (campaign === undefined) return tenant !== undefined && is(names[0], tenant)
      return is(names[1], campaign) && (tenant === undefined || is(names[0], tenant))
  }
}

function nameOf({ names }: Figures): string {
  return names.filter((name) => name !== '').join(' / ')
}

const HEAD = ['DELIVERED', 'DEFERRED', 'SOFT', 'HARD', 'COMPLAINTS', 'UNSUBSCRIBED']

function show(rows: readonly Figures[], window: Window, found: number): void {
  if (found === 0) return say(`Nothing was said of this mail in the last ${window}.`)
  const lines = rows.map((figures) => [
    figures.by,
    ...COUNTED.map((counted) => String(figures.counts[window][counted] ?? 0)),
    oneLine(nameOf(figures)),
  ])
  for (const line of table([['BY', ...HEAD, 'WHO'], ...lines])) print(line)
  if (found > rows.length) say(`${found - rows.length} more: --most ${found} shows all.`)
}

function forMachines({ by, names, counts }: Figures): object {
  const whose =
    by === 'campaign' ? { tenant: names[0] === '' ? null : names[0], campaign: names[1] } : { [by]: names[0] }
  const full = Object.entries(counts).map(([window, figures]) => [
    window,
    Object.fromEntries(COUNTED.map((counted) => [counted, figures[counted] ?? 0])),
  ])
  return { by, ...whose, windows: Object.fromEntries(full) as object }
}
