import { Command } from 'commander'
import { pauseCommand, resumeCommand, setCommand } from './warmup/change'
import { planCommand, statusCommand } from './warmup/see'

const EXAMPLES = `
Examples:
  sluice warmup status                       where each source stands with each provider
  sluice warmup plan fresh --svg fresh.svg   the days to come, also as a picture
  sluice warmup set fresh --group google --quota 2000
  sluice warmup pause fresh                  the quota stays as it is from day to day`

/** `sluice warmup …`: sources with new addresses, and how far each has come. */
export function warmupCommand(): Command {
  const command = new Command('warmup')
    .description('sources with new addresses: how far each has come')
    .addHelpText('after', EXAMPLES)
  for (const one of [statusCommand(), planCommand(), setCommand(), pauseCommand(), resumeCommand()])
    command.addCommand(one)
  return command
}
