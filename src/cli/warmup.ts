import { Command } from 'commander'
import { pauseCommand, resumeCommand, setCommand } from './warmup/change'
import { planCommand, statusCommand } from './warmup/see'

/** `sluice warmup …`: sources with new addresses, and how far each has come. */
export function warmupCommand(): Command {
  const command = new Command('warmup').description('sources with new addresses: how far each has come')
  for (const one of [statusCommand(), planCommand(), setCommand(), pauseCommand(), resumeCommand()])
    command.addCommand(one)
  return command
}
