import { Command } from 'commander'
import { sayValues } from '../../egress/say-values'
import { SteeringDesk } from '../../egress/steering-desk'
import type { Action } from '../../egress/steering-action'
import { isSenderTarget } from '../../egress/sender-target'
import { release } from '../../feedback/release'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, humanTime, print, printJson, say, table } from '../terminal'
import { actionForMachines } from './show'

const EXAMPLES = `
Examples:
  sluice egress actions                what is ordered for paths, by whom, and why
  sluice egress actions --json
  sluice egress cancel 7KQ2M4X         the path goes on as if it had not been ordered`

/** `sluice egress actions`: what is ordered for paths. */
export function actionsCommand(): Command {
  return common(new Command('actions').description('what is ordered for paths, by whom, and why'))
    .addHelpText('after', EXAMPLES)
    .action(list)
}

/** `sluice egress cancel`: exit code 1 when there is no such action. */
export function cancelCommand(): Command {
  return common(
    new Command('cancel')
      .description('take an action off, whoever ordered it')
      .argument('<id>', 'as sluice egress actions prints it')
      .option('--dry-run', 'say what would be done'),
  )
    .addHelpText('after', EXAMPLES)
    .action(cancel)
}

async function list({ dir, json }: Common): Promise<void> {
  await withStore(dir, async (store) => {
    const actions = await new SteeringDesk(store).list()
    if (json) return printJson(actions.map(actionForMachines))
    if (actions.length === 0) return say('Nothing is ordered: every path goes by its profile.')
    const head = ['ID', 'PATH', 'WHAT', 'ENDS IN', 'BY', 'MODE', 'WHY']
    for (const line of table([head, ...actions.map((action) => row(action, Date.now()))])) print(line)
    if (actions.some(({ mode }) => mode === 'shadow')) say('What is in shadow changes nothing.')
  })
}

function row({ id, path, values, until, origin, mode, evidence }: Action, now: number): string[] {
  const why = evidence === '' ? '-' : evidence
  return [id, path, sayValues(values), humanTime(Math.max(0, until - now)), origin, mode, why]
}

async function cancel(id: string, { dir, json, dryRun }: Common & { readonly dryRun?: true }): Promise<void> {
  await withStore(dir, async (store) => {
    const desk = new SteeringDesk(store)
    const action = await desk.look(id)
    if (!action) throw new CliError(`there is no action ${id} (any more): see sluice egress actions`)
    // What was counted goes too, or the next word about a sender would hold him again.
    const isSender = isSenderTarget(action.path)
    if (!dryRun) await (isSender ? release(store, desk, readConfig(dir).responses, [action]) : desk.withdraw([action]))
    if (json) return printJson({ dryRun: dryRun === true, ...actionForMachines(action) })
    const { path, values, origin } = action
    print(`${dryRun ? 'would cancel' : 'cancelled'} ${action.id}: ${sayValues(values)} for ${path}, by ${origin}`)
  })
}
