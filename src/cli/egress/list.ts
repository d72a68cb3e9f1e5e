import { Command } from 'commander'
import type { PathTotal } from '../../egress/path-load'
import type { Action } from '../../egress/steering-action'
import { concerns } from '../../egress/steering-action'
import { SteeringDesk } from '../../egress/steering-desk'
import { type Common, common } from '../directory'
import { withStore } from '../open'
import { printJson, print, say, table } from '../terminal'
import { type Reports, readReports } from './reports'
import { sayAge, sayEmpty, sayHold, sayInterval, totalForMachines } from './say-load'
import { actionForMachines } from './show'
import { readTotals } from './totals'

const EXAMPLES = `
Examples:
  sluice egress list                   all paths with something to do, of all servers that share the store
  sluice egress list --json`

/** `sluice egress list`: what waits, and what for. */
export function listCommand(): Command {
  return common(
    new Command('list').description(
      'paths with something to do, on all servers: what waits, for how long, and what for',
    ),
  )
    .addHelpText('after', EXAMPLES)
    .action(list)
}

async function list({ dir, json }: Common): Promise<void> {
  await withStore(dir, async (store, { egress }) => {
    const now = Date.now()
    const reports = await readReports(store)
    const actions = await new SteeringDesk(store).list()
    const totals = await readTotals(store, egress.warmup, reports.loads, now)
    if (json) return printJson(forMachines(reports, totals, actions))
    const head = [
      'PATH',
      'WAITING',
      'UNDER WAY',
      'OLDEST',
      'RATE',
      'CONNECTIONS',
      'HELD BY',
      'LAST LEAVES IN',
      'ORDERS',
    ]
    if (totals.length > 0) for (const line of table([head, ...totals.map((one) => row(one, actions, now))])) print(line)
    sayRest(reports, totals.length, now)
  })
}

function row(total: PathTotal, actions: readonly Action[], now: number): string[] {
  const { path, waitingInAll, underWay, oldestDueAt, limits, connections, hold } = total
  const orders = actions.filter((action) => concerns(action.path, path)).map(sayOrder)
  return [
    ...[path, String(waitingInAll), String(underWay), sayAge(oldestDueAt, now), sayInterval(limits.intervalMs)],
    ...[`${connections} of ${limits.connections}`, sayHold(hold, limits), sayEmpty(total)],
    orders.length === 0 ? '-' : orders.join(', '),
  ]
}

function sayOrder({ id, mode }: Action): string {
  return mode === 'shadow' ? `${id} (shadow)` : id
}

function sayRest({ processes, loads }: Reports, paths: number, now: number): void {
  if (processes.length === 0) return say(NOBODY)
  const putOff = processes.reduce((sum, process) => sum + process.putOff, 0)
  const at = Math.min(...processes.map((process) => process.at))
  const who = processes.length === 1 ? '1 process' : `${processes.length} processes`
  if (paths === 0) say(`Nothing waits, and nothing is under way, as ${who} said ${sayAge(at, now)} ago.`)
  else say(`As ${who} said, ${sayAge(at, now)} ago at most. sluice egress show PATH tells more.`)
  if (putOff > 0)
    say(
      `Besides, ${putOff === 1 ? '1 message is' : `${putOff} messages are`} put off after an attempt: sluice egress queue lists those of this host.`,
    )
  const unsaid = processes.reduce((sum, process) => sum + process.paths, 0) - loads.length
  if (unsaid > 0) say(`Each process tells of its 200 busiest paths: ${unsaid} are left out.`)
}

/** Nobody delivers, as far as the store knows. */
export const NOBODY =
  'No process delivers with plugin egress, as far as this store knows: is sluice/plugins/egress in config/plugins, ' +
  'does Haraka run, and did its log say "outbound sessions are reused"? A process is seen a second after it has begun.'

function forMachines({ processes }: Reports, totals: readonly PathTotal[], actions: readonly Action[]): object {
  return {
    processes: processes.map(({ at, ...process }) => ({ ...process, at: new Date(at).toISOString() })),
    paths: totals.map((total) => ({
      ...totalForMachines(total),
      orders: actions.filter((action) => concerns(action.path, total.path)).map(actionForMachines),
    })),
  }
}
