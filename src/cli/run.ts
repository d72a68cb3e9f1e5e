import { accessSync, constants, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { Policy } from '../config/compile'
import { modeText } from '../policy/mode'
import { endpointText, type Endpoint, parseEndpoint, whyNotListen } from './endpoint'
import { HarakaDirectory } from './haraka-directory'
import { readPolicy } from './open'
import { linkSuite, provideHaraka } from './run/install'
import { launch } from './run/launch'
import { CliError, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice run mail
  sluice run /etc/haraka --no-install`

/** `sluice run DIR`: checks the configuration, then becomes Haraka on that directory. */
export function runCommand(): Command {
  return new Command('run')
    .description('run Haraka on a directory; Ctrl-C ends it')
    .argument('<dir>', 'Haraka directory, such as "sluice init" makes')
    .option('--no-install', 'fail when no Haraka is found, instead of installing one with npm')
    .addHelpText('after', EXAMPLES)
    .action((dir: string, { install }: { readonly install: boolean }) => run(resolve(dir), install))
}

async function run(dir: string, install: boolean): Promise<void> {
  const files = new HarakaDirectory(dir)
  if (files.text('smtp.ini') === undefined)
    throw new CliError(`${dir} is no Haraka directory: it has no config/smtp.ini (make one: sluice init ${dir})`)
  const policy = readPolicy(dir)
  makeWritable(dir)
  await checkPorts(files, policy)
  const haraka = provideHaraka(dir, install)
  linkSuite(dir, haraka)
  for (const line of whereThingsAre(files, policy, haraka.version)) say(line)
  launch(dir, haraka)
}

/** Sluice and Haraka keep what they know under the directory. */
function makeWritable(dir: string): void {
  try {
    accessSync(dir, constants.W_OK)
    mkdirSync(join(dir, 'data'), { recursive: true })
    accessSync(join(dir, 'data'), constants.W_OK)
  } catch {
    throw new CliError(`${dir} is not writable for this user: data/ and queue/ are kept there`)
  }
}

async function checkPorts(files: HarakaDirectory, { config }: Policy): Promise<void> {
  for (const endpoint of files.smtp()) {
    const code = await whyNotListen(endpoint)
    if (code !== undefined) throw new CliError(portMessage(endpoint, code))
  }
  const http = config.http.listen === false ? undefined : parseEndpoint(config.http.listen)
  const code = http && (await whyNotListen(http))
  // Mail must flow even when nobody can watch it.
  if (http && code)
    say(`Note: no metrics: ${endpointText(http)} ${reason(code)}; see http.listen in config/sluice.yaml`)
}

function portMessage(endpoint: Endpoint, code: string): string {
  const where = endpointText(endpoint)
  const mend =
    code === 'EACCES'
      ? 'start as root and set user= and group= in config/smtp.ini, or choose a port above 1023'
      : 'stop what listens there, or change listen= in config/smtp.ini'
  return `cannot listen on ${where}: it ${reason(code)}; ${mend}`
}

function reason(code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'is taken by another program'
    case 'EACCES':
      return 'is not allowed for this user'
    case 'EADDRNOTAVAIL':
      return 'is no address of this host'
    default:
      return `cannot be used (${code})`
  }
}

function whereThingsAre(files: HarakaDirectory, { config }: Policy, version: string): string[] {
  const { dir, plugins } = { dir: files.path, plugins: files.plugins() }
  const keepsMail = plugins.includes('sluice/plugins/maildrop')
  const domain = files.list('host_list')[0]
  const shadow = config.mode.kind === 'shadow' ? ' (limits are judged and logged, and refuse nobody)' : ''
  const rows = [
    ['SMTP', files.smtp().map(endpointText).join(', ')],
    ...(config.http.listen === false ? [] : [['HTTP', `http://${config.http.listen}/metrics, /healthz, /readyz`]]),
    ...(keepsMail ? [['mail', `${resolve(dir, config.maildrop.path)} (for the domains of config/host_list)`]] : []),
    ['queue', `${queueDirectory(files)} (mail on its way out)`],
    ['store', storeText(config.store, dir)],
    ['decisions', resolve(dir, config.decisions.path)],
    ['mode', modeText(config.mode) + shadow],
  ]
  return [
    `Haraka ${version} with Sluice in ${dir}`,
    ...table(rows).map((line) => `  ${line}`),
    ...(domain === undefined
      ? []
      : ['Send a message from another terminal, in this folder:', `  ${sendLine(files, domain)}`]),
    '',
  ]
}

function queueDirectory(files: HarakaDirectory): string {
  return resolve(files.path, files.list('queue_dir')[0] ?? 'queue')
}

function sendLine(files: HarakaDirectory, domain: string): string {
  const [first] = files.smtp()
  return `npx sluice send${first ? ` --smtp ${endpointText(first)}` : ''} --to you@${domain}`
}

/** A Redis URL may hold a password. */
function storeText(store: Policy['config']['store'], dir: string): string {
  const at = typeof store === 'string' ? store : store.at
  if (at.startsWith('lmdb:')) return resolve(dir, at.slice('lmdb:'.length))
  return at.replace(/\/\/[^@/]*@/, '//…@')
}
