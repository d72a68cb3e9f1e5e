import type { Command } from 'commander'
import { CliError } from './terminal'

/** What nearly all commands are told: where Haraka is, and whether a program reads what they print. */
export interface Common {
  readonly dir: string
  readonly json?: true
}

/** A command with the options of {@link Common}. */
export function common(command: Command): Command {
  return command.option('--dir <dir>', 'Haraka directory', '.').option('--json', 'print JSON')
}

/** How a command that is about a directory was told which: by its name alone, or as with all other commands. */
export interface DirOption {
  readonly dir?: string
}

/** A command that takes its Haraka directory by name alone, and as `--dir` too. */
export function takeDirectory(command: Command): Command {
  return command
    .argument('[dir]', 'Haraka directory (default: ".")')
    .option('--dir <dir>', 'the same, as with other commands')
}

/** Throws a {@link CliError} for wrong usage when both are given. */
export function directoryOf(named: string | undefined, { dir }: DirOption): string {
  if (named !== undefined && dir !== undefined) throw new CliError(`which one, ${named} or --dir ${dir}?`, 2)
  return named ?? dir ?? '.'
}
