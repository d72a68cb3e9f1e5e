import { Command, InvalidArgumentError } from 'commander'
import { namesSize, readWindow } from '../../config/units'
import {
  type Action,
  type ActionValues,
  LONGEST_ACTION_MS,
  MOST_CONNECTIONS,
  type Order,
  SLOWEST_MS,
  actionOf,
  concerns,
} from '../../egress/steering-action'
import { SteeringDesk } from '../../egress/steering-desk'
import { OPERATOR } from '../../policy/ban'
import type { LoadedPolicy } from '../../config/load'
import type { Window } from '../../store/store'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, print, printJson, say } from '../terminal'
import { timeOption } from '../time-option'
import { sayValues } from '../../egress/say-values'
import { actionForMachines, utc } from './show'
import { TARGET_HELP, otherSources, readTarget } from './target'

const EXAMPLES = `
Examples:
  sluice egress suspend google --for 2h --reason "their incident"
  sluice egress suspend example.com                what goes to its mail servers, by the default source
  sluice egress suspend 'pool1/*' --dry-run        everything that a source sends
  sluice egress resume google
  sluice egress set pool1/google --rate 5/s --connections 2 --for 1d`

interface Steering extends Common {
  readonly dryRun?: true
}

interface Ordering extends Steering {
  readonly for: number
  readonly reason: string
}

/** `sluice egress suspend`: no mail on a path for a while, on every server that shares the store. */
export function suspendCommand(): Command {
  return ordering(new Command('suspend').description('send no mail on a path for a while; it waits')).action(
    (target: string, options: Ordering) => order(target, 'suspend', { suspended: true }, options),
  )
}

/** `sluice egress set`: figures in place of the profile's for a while. */
export function setCommand(): Command {
  return ordering(new Command('set').description("put figures in place of a path's profile for a while"))
    .option('--rate <rate>', 'messages: 5/s, 100/min, at least 1/min', readRate)
    .option('--connections <n>', 'parallel sessions', readConnections)
    .action((target: string, { rate, connections, ...options }: Ordering & { rate?: Window; connections?: number }) => {
      if (rate === undefined && connections === undefined) throw new CliError('say --rate, --connections or both', 2)
      return order(target, 'set', { messageRate: rate, connections }, options)
    })
}

/** `sluice egress resume`: ends suspensions, also the controller's. Exit code 1 when there is none. */
export function resumeCommand(): Command {
  return steering(new Command('resume').description('send mail on a path again, whoever suspended it')).action(resume)
}

function ordering(command: Command): Command {
  return steering(command)
    .addOption(timeOption(LONGEST_ACTION_MS))
    .option('--reason <text>', 'why, for those who ask later', '')
}

function steering(command: Command): Command {
  command.argument('<path>', TARGET_HELP).option('--dry-run', 'say what would be done')
  return common(command).addHelpText('after', EXAMPLES)
}

async function order(target: string, kind: 'suspend' | 'set', values: ActionValues, options: Ordering): Promise<void> {
  const { dir, json, dryRun, reason } = options
  const config = readConfig(dir)
  const path = await readTarget(target, config)
  await withStore(dir, async (store) => {
    const desk = new SteeringDesk(store)
    const since = Date.now()
    const order: Order = {
      ...{ path, kind, values, origin: OPERATOR, evidence: reason, mode: 'enforce' },
      ...{ since, until: since + options.for },
    }
    const before = await desk.list()
    const action = dryRun ? actionOf(order) : (await desk.post([order]))[0]!
    // One that is not posted has no id.
    if (json)
      return printJson({ dryRun: dryRun === true, ...actionForMachines(action), ...(dryRun && { id: undefined }) })
    const does = dryRun ? 'would order' : `ordered ${action.id}:`
    print(`${does} ${sayValues(values)} for ${path} until ${utc(action.until)}`)
    sayRest(action, before)
    sayOthers(target, path, config)
    if (!dryRun)
      say(`Every server that shares the store knows it within a second. To undo: sluice egress cancel ${action.id}`)
  })
}

/** What else a person should know who has ordered something. */
function sayRest({ path, kind, values }: Action, before: readonly Action[]): void {
  const replaced = before.find((one) => one.path === path && one.kind === kind && one.origin === OPERATOR)
  if (replaced) say(`In place of ${replaced.id}: ${sayValues(replaced.values)} until ${utc(replaced.until)}.`)
  if (!values.suspended) sayStillSuspended(path, before)
}

/** Who names no source may mean all mail. */
function sayOthers(target: string, path: string, { policy }: LoadedPolicy): void {
  const others = target.includes('/') || target.includes('|') ? [] : otherSources(path, policy)
  if (others.length === 0) return
  const paths = others.map((name) => `${name}/${target}`).join(', ')
  say(`Mail leaves from ${others.join(', ')} too: order it for ${paths} as well.`)
}

function sayStillSuspended(path: string, actions: readonly Action[]): void {
  for (const { id, path: target, values, mode, until } of actions) {
    if (!values.suspended || mode === 'shadow' || !concerns(target, path)) continue
    say(`It is suspended by ${id} (${target}) until ${utc(until)}: sluice egress resume '${target}'`)
  }
}

async function resume(target: string, { dir, json, dryRun }: Steering): Promise<void> {
  const path = await readTarget(target, readConfig(dir))
  await withStore(dir, async (store) => {
    const desk = new SteeringDesk(store)
    const lifted = await desk.suspensions(path)
    if (!dryRun) await desk.withdraw(lifted)
    if (json) printJson({ dryRun: dryRun === true, path, lifted: lifted.map(actionForMachines) })
    else
      for (const { id, origin } of lifted) print(`${dryRun ? 'would resume' : 'resumed'} ${path} (${id}, by ${origin})`)
    sayStillSuspended(path, dryRun ? [] : await desk.list())
    if (lifted.length === 0) throw new CliError(`${path} is not suspended by itself: see sluice egress actions`)
  })
}

function readRate(text: string): Window {
  if (namesSize(text)) throw new InvalidArgumentError('messages are counted, not bytes: write 5/s or 100/min.')
  const read = readWindow(text)
  if ('problem' in read) throw new InvalidArgumentError(read.problem)
  if (read.value.windowMs / read.value.limit <= SLOWEST_MS) return read.value
  throw new InvalidArgumentError('at least 1/min: what must be slower is suspended.')
}

function readConnections(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= MOST_CONNECTIONS) return count
  throw new InvalidArgumentError(`write a number from 1 to ${MOST_CONNECTIONS}.`)
}
