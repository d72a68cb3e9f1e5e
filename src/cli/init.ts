import { relative, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { type Choice, readChoice, type RawChoice } from './init/choice'
import { harakaFiles } from './init/haraka-files'
import { ensureManifest } from './init/manifest'
import { isEmptyFolder, type Planned, planFiles, writePlanned } from './init/write-files'
import { CliError, print, printJson, say } from './terminal'

const EXAMPLES = `
Examples:
  sluice init mail
  sluice init mail --smtp 0.0.0.0:25 --domain example.com --trusted 10.0.0.0/8,127.0.0.0/8,::1
  sluice init mail --store redis://127.0.0.1:6379/0 --nodes 2 --dry-run`

interface InitOptions extends RawChoice {
  readonly force?: true
  readonly dryRun?: true
  readonly json?: true
}

/** `sluice init DIR`: makes a complete Haraka directory from the config that ships with this package. */
export function initCommand(): Command {
  return new Command('init')
    .description('make a Haraka directory with a complete config')
    .argument('<dir>', 'folder to make; it must be empty or new')
    .option('--smtp <host:port>', 'where Haraka listens', '127.0.0.1:2525')
    .option('--http <host:port|none>', 'where metrics and health are served', '127.0.0.1:8787')
    .option('--store <spec>', 'memory, lmdb:PATH or redis://HOST:PORT/DB', 'lmdb:data/sluice')
    .option('--domain <domain>', 'domain whose mail is taken', 'sluice.test')
    .option('--trusted <cidr,...|none>', 'networks that may relay and that no limit holds', '127.0.0.0/8,::1')
    .addOption(
      new Option('--mode <mode>', 'judge only, or refuse too').choices(['shadow', 'enforce']).default('shadow'),
    )
    .option('--nodes <n>', 'worker processes; 0: a single process', '0')
    .option('--force', 'go on in a folder that is not empty; files that would change are kept beside as *.old')
    .option('--dry-run', 'say what would be written, write nothing')
    .option('--json', 'print the list of files as JSON')
    .addHelpText('after', EXAMPLES)
    .action((dir: string, options: InitOptions) => init(resolve(dir), options))
}

function init(dir: string, options: InitOptions): void {
  const choice = readChoice(options)
  const dryRun = options.dryRun === true
  if (!options.force && !isEmptyFolder(dir)) {
    throw new CliError(`${dir} is not empty: choose another folder, or add --force (no file is lost)`)
  }
  const planned = planFiles(dir, harakaFiles(choice))
  if (!dryRun) writePlanned(planned)
  const manifest = ensureManifest(dir, dryRun)
  if (options.json) printJson({ dir, dryRun, files: [...planned.map(describe), manifest] })
  else for (const line of linesOf(dir, [...planned, manifest], dryRun)) print(line)
  if (!dryRun) for (const line of whatNext(dir, choice)) say(line)
}

function describe({ file, action, keptAs }: Planned): Omit<Planned, 'content' | 'mode'> {
  return { file, action, ...(keptAs === undefined ? {} : { keptAs }) }
}

function linesOf(dir: string, files: readonly Omit<Planned, 'content' | 'mode'>[], dryRun: boolean): string[] {
  return files.map(({ file, action, keptAs }) => {
    const kept = keptAs === undefined ? '' : ` (the old one: ${relative(dir, keptAs)})`
    return `${dryRun ? 'would ' : ''}${action} ${relative(dir, file)}${kept}`
  })
}

function whatNext(dir: string, { smtp, domain, mode }: Choice): string[] {
  const shown = shellWord(relative(process.cwd(), dir) || '.')
  return [
    '',
    `${shown} is a complete Haraka directory for ${domain}. What it does stands in ${shown}/config/sluice.yaml.`,
    ...(mode === 'shadow' ? ['Limits are judged and logged only; refuse with mode: enforce in that file.'] : []),
    'Next:',
    `  npx sluice run ${shown}`,
    `  npx sluice send --smtp ${smtp} --to you@${domain}`,
    `  npx sluice doctor ${shown}`,
  ]
}

/** As it can be pasted into a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
