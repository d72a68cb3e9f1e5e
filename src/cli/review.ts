import { Command, InvalidArgumentError, Option } from 'commander'
import { isSenderTarget, readSenderTarget, saySender, senderTarget } from '../egress/sender-target'
import { type Action, LONGEST_ACTION_MS, type Order, actionOf } from '../egress/steering-action'
import { sayValues } from '../egress/say-values'
import { SteeringDesk } from '../egress/steering-desk'
import { release as releaseSenders } from '../feedback/release'
import { readDuration } from '../config/units'
import { OPERATOR } from '../policy/ban'
import { oneLine } from '../telemetry/escape'
import { type Common, common } from './directory'
import { actionForMachines, utc } from './egress/show'
import { readConfig, withStore } from './open'
import { SENDER_HELP, readSender, targetsMeant } from './review/sender-name'
import { type Waiting, waitingOf } from './review/waiting'
import { CliError, humanTime, print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice review list                               who is slowed down or paused, why, and what waits
  sluice review release ann@example.com            she has a new password: her mail goes on
  sluice review release 7KQ2M4X --for 7d           and nothing is ordered against him for a week
  sluice review pause tenant:acme --reason "their list is bought"`

interface Changing extends Common {
  readonly dryRun?: true
}

/** `sluice review …`: senders who are slowed down or paused. Exit code 1 when nobody is who was named. */
export function reviewCommand(): Command {
  const command = new Command('review')
    .description('senders who are slowed down or paused: who, why, and letting them go')
    .addHelpText('after', EXAMPLES)
  command.addCommand(
    common(new Command('list').description('who is slowed down or paused, by whom, and why'))
      .addHelpText('after', EXAMPLES)
      .action(list),
  )
  command.addCommand(
    changing(new Command('release').description('let a sender go on, and forget what was counted against him'))
      .argument('<who>', `the id of an order, or ${SENDER_HELP}`)
      .option('--for <time>', 'and leave him alone for so long: 12h, 7d', readTime)
      .action(release),
  )
  command.addCommand(
    changing(new Command('pause').description('take and send no mail of a sender until he is let go'))
      .argument('<who>', SENDER_HELP)
      .requiredOption('--reason <text>', 'why, for those who ask later')
      .addOption(new Option('--for <time>', 'at most so long').argParser(readTime).default(LONGEST_ACTION_MS, '31d'))
      .action(pause),
  )
  return command
}

function changing(command: Command): Command {
  return common(command.option('--dry-run', 'say what would be done')).addHelpText('after', EXAMPLES)
}

function readTime(text: string): number {
  const read = readDuration(text, LONGEST_ACTION_MS)
  if ('value' in read) return read.value
  throw new InvalidArgumentError(read.problem)
}

async function list({ dir, json }: Common): Promise<void> {
  const config = readConfig(dir)
  await withStore(dir, async (store) => {
    const actions = await sendersHeld(new SteeringDesk(store))
    const waiting = await waitingOf(dir, new Set(actions.map(({ path }) => path)), config)
    if (json) return printJson(actions.map((action) => forMachines(action, waiting)))
    if (actions.length === 0) return say('Nobody is slowed down or paused.')
    const head = ['ID', 'WHO', 'WHAT', 'SINCE', 'ENDS IN', 'BY', 'MODE', 'WAITING', 'WHY']
    for (const line of table([head, ...actions.map((action) => row(action, waiting))])) print(line)
    if (actions.some(({ mode }) => mode === 'shadow')) say('What is in shadow changes nothing.')
    say('WAITING counts messages in the queue of this host. To let somebody go: sluice review release ID')
    if (waiting && waiting.unseen > 0) say(`${waiting.unseen} files were not looked into: there are too many.`)
  })
}

async function sendersHeld(desk: SteeringDesk): Promise<Action[]> {
  const actions = await desk.list()
  return actions.filter(({ path }) => isSenderTarget(path)).sort((a, b) => a.since - b.since)
}

function row(action: Action, waiting: Waiting | undefined): string[] {
  const { id, path, values, since, until, origin, mode, evidence } = action
  const now = Date.now()
  const age = `${humanTime(Math.max(0, now - since))} ago`
  const left = humanTime(Math.max(0, until - now))
  const count = waiting ? String(waiting.of.get(path) ?? 0) : '-'
  return [id, nameOf(path), sayValues(values), age, left, origin, mode, count, evidence === '' ? '-' : evidence]
}

function forMachines(action: Action, waiting: Waiting | undefined): object {
  return {
    ...actionForMachines(action),
    sender: readSenderTarget(action.path),
    waiting: waiting && (waiting.of.get(action.path) ?? 0),
  }
}

function nameOf(path: string): string {
  const name = readSenderTarget(path)
  // Whoever logs in chooses it.
  return name ? oneLine(saySender(name)) : path
}

async function release(
  who: string,
  { dir, json, dryRun, for: leaveAloneMs }: Changing & { for?: number },
): Promise<void> {
  const { responses } = readConfig(dir)
  await withStore(dir, async (store) => {
    const desk = new SteeringDesk(store)
    const held = await sendersHeld(desk)
    const targets = targetsMeant(who, held)
    if (targets.length > 1) {
      throw new CliError(
        `"${who}" is ${targets.map(nameOf).join(', and ')}: write which, as account:NAME or tenant:NAME`,
        2,
      )
    }
    const released = held.filter(({ path }) => targets.includes(path))
    if (released.length === 0) throw new CliError(`${who} is neither slowed down nor paused: see sluice review list`)
    if (!dryRun) {
      const alone = leaveAloneMs === undefined ? {} : { leaveAloneMs }
      await releaseSenders(store, desk, responses, released, alone)
    }
    if (json) return printJson({ dryRun: dryRun === true, released: released.map(actionForMachines) })
    for (const { id, path, values, origin } of released) {
      print(`${dryRun ? 'would release' : 'released'} ${nameOf(path)}: ${sayValues(values)} (${id}, by ${origin})`)
    }
    if (dryRun) return
    say('What was counted is forgotten: only what is said from now on counts.')
    if (leaveAloneMs !== undefined) say(`Nothing is ordered against him for ${humanTime(leaveAloneMs)}, but by people.`)
    say('Queued mail goes when its next try is due. To have it tried now: sluice egress flush DOMAIN')
  })
}

async function pause(
  who: string,
  { dir, json, dryRun, reason, for: forMs }: Changing & { reason: string; for: number },
): Promise<void> {
  const path = senderTarget(readSender(who))
  await withStore(dir, async (store) => {
    const since = Date.now()
    const order: Order = {
      ...{ path, kind: 'suspend', values: { suspended: true }, origin: OPERATOR, evidence: reason, mode: 'enforce' },
      ...{ since, until: since + forMs },
    }
    const action = dryRun ? actionOf(order) : (await new SteeringDesk(store).post([order]))[0]!
    // One that is not posted has no id.
    if (json)
      return printJson({ dryRun: dryRun === true, ...actionForMachines(action), ...(dryRun && { id: undefined }) })
    print(`${dryRun ? 'would pause' : `paused (${action.id})`} ${nameOf(path)} until ${utc(action.until)}`)
    if (!dryRun)
      say(`Every server that shares the store knows it within a second. To undo: sluice review release ${action.id}`)
  })
}
