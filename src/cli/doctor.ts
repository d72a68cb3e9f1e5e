import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { type DirOption, directoryOf, takeDirectory } from './directory'
import { examineCollisions } from './doctor/collisions'
import type { Finding, Patient } from './doctor/finding'
import { examineHarakaConfig } from './doctor/haraka-config'
import { examineHost } from './doctor/host'
import { examinePlugins } from './doctor/plugin-list'
import { examineSluice } from './doctor/sluice'
import { HarakaDirectory } from './haraka-directory'
import { findHaraka } from './run/find-haraka'
import { CliError, type Colour, paint, print, printJson } from './terminal'

const EXAMPLES = `
Examples:
  sluice doctor
  sluice doctor /etc/haraka --json`

const COLOURS: Record<Finding['level'], Colour> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** `sluice doctor [DIR]`: looks a Haraka directory over and says what to mend. Exit code 1 when anything fails. */
export function doctorCommand(): Command {
  return takeDirectory(new Command('doctor'))
    .description('look over a Haraka directory and say what to mend')
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', EXAMPLES)
    .action(doctor)
}

async function doctor(named: string | undefined, options: DirOption & { readonly json?: true }): Promise<void> {
  const { json } = options
  const findings = await examine(resolve(directoryOf(named, options)))
  const fine = findings.every(({ level }) => level !== 'fail')
  if (json) printJson({ fine, findings })
  else findings.forEach(printFinding)
  if (!fine) process.exitCode = 1
}

/** Everything there is to say about a Haraka directory. Changes nothing. Throws when `dir` is no Haraka directory. */
export async function examine(dir: string): Promise<Finding[]> {
  if (!existsSync(join(dir, 'config')))
    throw new CliError(`${dir} is no Haraka directory: it has no config folder (make one with: sluice init DIR)`)
  const patient: Patient = { dir, files: new HarakaDirectory(dir), haraka: findHaraka(dir) }
  return [
    ...examineHost(patient),
    ...examinePlugins(patient),
    ...examineCollisions(patient),
    ...examineHarakaConfig(patient),
    ...(await examineSluice(patient)),
  ]
}

function printFinding({ level, check, what, mend }: Finding): void {
  print(`${paint(COLOURS[level], level.padEnd(4))}  ${check.padEnd(10)}  ${what}`)
  if (mend !== undefined) print(`${' '.repeat(18)}→ ${mend}`)
}
