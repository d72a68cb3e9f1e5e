import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { explainAsYaml, explainPolicy } from '../config/explain'
import { configJsonSchema } from '../config/json-schema'
import { CONFIG_DIR, type LoadResult, type RefusedPolicy, formatProblem, loadPolicy } from '../config/load'
import { redactProse } from '../config/redact'
import { modeText } from '../policy/mode'
import { type DirOption, directoryOf, takeDirectory } from './directory'
import { CliError, print, printJson, say } from './terminal'

const EXAMPLES = `
Examples:
  sluice config check                     the configuration of the Haraka directory you are in
  sluice config check /etc/haraka         another one; exit code 1 when something is wrong
  sluice config show                      what holds, and which line says so
  sluice config show --json | jq .config.limits.sender
  sluice config schema > sluice.schema.json
                                          for editors that complete and check YAML`

interface Options extends DirOption {
  readonly json?: true
}

/** `sluice config check|show|schema`: exit code 0 fine, 1 the configuration has mistakes, 2 wrong usage. */
export function configCommand(): Command {
  const command = new Command('config').description('check and explain config/sluice.yaml')
  command.addHelpText('after', EXAMPLES)
  command.addCommand(onDirectory('check', 'look for mistakes; print one line for each').action(check))
  command.addCommand(onDirectory('show', 'print what holds, and where each value comes from').action(show))
  const schema = new Command('schema').description('print the JSON Schema of config/sluice.yaml')
  command.addCommand(schema.option('--json', 'the same: it is JSON anyway').action(() => printJson(configJsonSchema())))
  return command
}

function onDirectory(name: string, description: string): Command {
  return takeDirectory(new Command(name))
    .description(description)
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
}

function check(named: string | undefined, options: Options): void {
  const { json } = options
  const dir = directoryOf(named, options)
  const loaded = load(dir)
  if ('problems' in loaded) return refuse(loaded, json)
  const { policy, files, maps } = loaded
  if (json) return printJson({ ok: true, problems: [], files, fingerprint: loaded.fingerprint })
  const entries = [...maps.values()].reduce((sum, map) => sum + map.entries.length, 0)
  const file = resolve(dir, files[0]!)
  const opening = existsSync(file) ? `${files[0]} is fine` : `There is no ${files[0]}, so the defaults hold`
  say(`${opening}: mode ${modeText(policy.config.mode)}, ${policy.rules.length} limits, ${entries} map entries.`)
}

function show(named: string | undefined, options: Options): void {
  const { json } = options
  const loaded = load(directoryOf(named, options))
  if ('problems' in loaded) return refuse(loaded, json)
  if (json) printJson(explainPolicy(loaded))
  else print(explainAsYaml(loaded).trimEnd())
}

function load(dir: string): LoadResult {
  if (!existsSync(join(dir, CONFIG_DIR))) {
    throw new CliError(`${resolve(dir)} is no Haraka directory: it has no ${CONFIG_DIR} folder`, 2)
  }
  return loadPolicy(dir)
}

function refuse({ problems, files, fingerprint }: RefusedPolicy, json: true | undefined): void {
  // A store's address may have been written where a map belongs.
  if (json) printJson({ ok: false, problems, files: files.map(redactProse), fingerprint })
  else {
    for (const problem of problems) print(formatProblem(problem))
    say(`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} found.`)
  }
  process.exitCode = 1
}
