import { resolve } from 'node:path'
import { Command } from 'commander'
import { MAIL_CLASSES } from '../../egress/fair-queue'
import { figuresOf } from '../../egress/named-path'
import type { PathTotal } from '../../egress/path-load'
import { type Action, concerns } from '../../egress/steering-action'
import { sayValues } from '../../egress/say-values'
import { SteeringDesk } from '../../egress/steering-desk'
import { type DeliveryRecord, readDeliveries } from '../../telemetry/delivery-log'
import { oneLine } from '../../telemetry/escape'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, humanTime, print, printJson, say, table } from '../terminal'
import { FIGURE_HEAD, figureRow } from './figures'
import { NOBODY } from './list'
import { type Reports, readReports } from './reports'
import { sayAge, sayEmpty, sayHold, sayInterval, totalForMachines } from './say-load'
import { actionForMachines } from './show'
import { TARGET_HELP, readTarget } from './target'
import { readTotals } from './totals'

const EXAMPLES = `
Examples:
  sluice egress show google
  sluice egress show pool1/example.com
  sluice egress show 'egress|default|google' --json`

const FAILURES = 5
const LOOK_BACK_MS = 86_400_000

/** `sluice egress show`: all that is known of a path. */
export function showCommand(): Command {
  return common(
    new Command('show')
      .description('all that is known of a path: what waits, by class and process, orders, figures, recent failures')
      .argument('<path>', TARGET_HELP),
  )
    .addHelpText('after', EXAMPLES)
    .action(show)
}

async function show(target: string, { dir, json }: Common): Promise<void> {
  const config = readConfig(dir)
  const path = await readTarget(target, config)
  if (path.endsWith('*')) throw new CliError(`${path} is many paths: sluice egress list shows them`, 2)
  await withStore(dir, async (store) => {
    const now = Date.now()
    const reports = await readReports(store)
    const totals = await readTotals(store, config.policy.egress.warmup, reports.loads, now)
    const total = totals.find((one) => one.path === path)
    const actions = (await new SteeringDesk(store).list()).filter((action) => concerns(action.path, path))
    const figures = figuresOf(config.egress, path)
    const folder = resolve(dir, config.policy.config.decisions.path)
    const failures = await lastFailures(folder, path, now)
    if (json) {
      const shown = total ? totalForMachines(total) : { path }
      return printJson({ ...shown, orders: actions.map(actionForMachines), figures, failures })
    }
    print(path)
    if (total) printTotal(total, now)
    else sayIdle(reports)
    printOrders(actions, now)
    print('')
    for (const line of table([FIGURE_HEAD, ...figures.map(figureRow)])) print(line.trimEnd())
    printFailures(failures, now)
  })
}

function sayIdle({ processes }: Reports): void {
  if (processes.length === 0) say(NOBODY)
  else say('Nothing waits for it, and nothing is under way.')
}

function printTotal(total: PathTotal, now: number): void {
  const { waitingInAll, waiting, underWay, oldestDueAt, limits, connections, hold, pace } = total
  const classes = MAIL_CLASSES.map((mailClass) => `${mailClass} ${waiting[mailClass]}`).join(', ')
  const lines = [
    ['waiting', `${waitingInAll} (${classes})`],
    ['under way', String(underWay)],
    ['oldest', oldestDueAt === undefined ? '-' : `due for ${sayAge(oldestDueAt, now)}`],
    ['rate', `${sayInterval(limits.intervalMs)} in force; ${Number(pace.toFixed(2))}/s of late`],
    ['connections', `${connections} of ${limits.connections} in force`],
    ['held by', sayHold(hold, limits)],
    ['last leaves in', sayEmpty(total)],
  ]
  for (const line of table(lines)) print(line)
  print('')
  const head = ['PROCESS', 'WAITING', 'UNDER WAY', 'CONNECTIONS', 'HELD BY', 'SAID']
  const rows = total.reports.map((report) => [
    report.process,
    MAIL_CLASSES.map((mailClass) => report.waiting[mailClass]).join(' + '),
    String(report.underWay),
    String(report.connections),
    sayHold(report.hold, report.limits),
    `${sayAge(report.at, now)} ago`,
  ])
  for (const line of table([head, ...rows])) print(line)
}

function printOrders(actions: readonly Action[], now: number): void {
  print('')
  if (actions.length === 0) return print('Nothing is ordered for it.')
  const head = ['ORDER', 'WHAT', 'ENDS IN', 'BY', 'MODE', 'WHY']
  const rows = actions.map(({ id, values, until, origin, mode, evidence }) => [
    ...[id, sayValues(values), humanTime(Math.max(0, until - now)), origin, mode, evidence === '' ? '-' : evidence],
  ])
  for (const line of table([head, ...rows])) print(line)
}

/** Newest first. */
async function lastFailures(folder: string, path: string, now: number): Promise<DeliveryRecord[]> {
  const matches = (record: DeliveryRecord) => record.path === path && record.result !== 'delivered'
  const filter = { since: now - LOOK_BACK_MS, containsAny: [path], matches }
  const found: DeliveryRecord[] = []
  for await (const record of readDeliveries(folder, filter, { most: FAILURES })) found.push(record)
  return found
}

function printFailures(failures: readonly DeliveryRecord[], now: number): void {
  print('')
  if (failures.length === 0) return print(`No attempt failed within ${humanTime(LOOK_BACK_MS)}, as this host knows.`)
  print(`The last failures, as this host knows (sluice why MESSAGE tells more):`)
  const head = ['AGO', 'WHAT', 'MESSAGE', 'DOMAIN', 'HOST', 'ANSWER']
  const rows = failures.map((record) => [
    humanTime(Math.max(0, now - record.t)),
    record.result,
    oneLine(record.file),
    oneLine(record.domain),
    oneLine(record.host ?? '-'),
    sayAnswer(record),
  ])
  for (const line of table([head, ...rows])) print(line)
}

/** The reply that decided, or what failed; on one line. */
export function sayAnswer({ code, enhanced, text, failure }: DeliveryRecord): string {
  const parts = code === 0 ? [failure, text] : [String(code), enhanced, text]
  return oneLine(
    parts
      .filter((part) => part)
      .join(' ')
      .replaceAll(/\s*[\r\n]+\s*/g, ' / '),
    200,
  )
}
