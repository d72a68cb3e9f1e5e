import { Command, CommanderError } from 'commander'
import { redactProse } from '../config/redact'
import { banCommand, bansCommand, unbanCommand } from './bans'
import { configCommand } from './config'
import { greylistCommand } from './greylist'
import { reputationCommand } from './reputation'
import { dnsblCommand } from './dnsbl'
import { doctorCommand } from './doctor'
import { egressCommand } from './egress'
import { feedbackCommand } from './feedback'
import { initCommand } from './init'
import { limitsCommand } from './limits'
import { packageVersion } from './package-root'
import { reviewCommand } from './review'
import { runCommand } from './run'
import { sendCommand } from './send'
import { storeCommand } from './store'
import { suppressCommand } from './suppress'
import { CliError, say } from './terminal'
import { warmupCommand } from './warmup'
import { whyCommand } from './why'

const EXAMPLES = `
Examples:
  sluice init mail                  make a Haraka directory that runs, in ./mail
  sluice run mail                   run it; Ctrl-C ends it
  sluice doctor /etc/haraka         look over an existing Haraka directory
  sluice limits top                 who is closest to a limit
  sluice why 192.0.2.7              why this client was deferred
  sluice bans                       who is shut out; sluice ban, sluice unban
  sluice review list                senders who are slowed down or paused, and why

Exit codes: 0 fine, 1 a problem was found, 2 wrong usage.`

const WHY_EXAMPLES = `
Examples:
  sluice why 7KQ2XYZ                the reference at the end of an SMTP reply
  sluice why me@example.com --since 7d
  sluice why 192.0.2.0/24 --all --json`

/**
 * Runs the command line and returns its exit code: 0 fine, 1 a problem was found, 2 wrong usage. Never throws.
 * A command that found a problem without failing leaves 1 in `process.exitCode`.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return report(error)
  }
}

/** The whole command, for the tests and for the reference that is generated from it. */
export function program(): Command {
  const root = new Command('sluice')
    .description('Rate limits, gates and delivery shaping for the Haraka mail server')
    .version(packageVersion())
    .addHelpText('after', EXAMPLES)
  const commands = [
    initCommand(),
    runCommand(),
    sendCommand(),
    configCommand(),
    doctorCommand(),
    whyCommand().addHelpText('after', WHY_EXAMPLES),
    limitsCommand(),
    banCommand(),
    unbanCommand(),
    bansCommand(),
    greylistCommand(),
    reputationCommand(),
    storeCommand(),
    dnsblCommand(),
    egressCommand(),
    feedbackCommand(),
    suppressCommand(),
    warmupCommand(),
    reviewCommand(),
  ]
  for (const command of commands) root.addCommand(command)
  settle(root)
  return root
}

/** Commander would end the process; subcommands that were added inherit nothing. */
function settle(command: Command): void {
  command.exitOverride().showHelpAfterError('(add --help for what is possible)')
  for (const child of command.commands) settle(child)
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed what there is to say; help that nobody asked for is wrong usage.
    return error.exitCode === 0 ? 0 : 2
  }
  // Whatever was typed in the wrong place may hold the password of a store.
  say(`sluice: ${redactProse(error instanceof Error ? error.message : String(error))}`)
  if (process.env.SLUICE_DEBUG && error instanceof Error) say(error.stack ?? '')
  return error instanceof CliError ? error.exitCode : 1
}
