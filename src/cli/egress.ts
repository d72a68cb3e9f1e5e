import { Command } from 'commander'
import { DEFAULT_SOURCE, type ResolvedPath, resolvePath } from '../egress/rules'
import { type Common, common } from './directory'
import { actionsCommand, cancelCommand } from './egress/actions'
import { askHosts, readDomain, readHosts } from './egress/destination'
import { errandCommands } from './egress/errands'
import { FIGURE_HEAD, figureRow } from './egress/figures'
import { listCommand } from './egress/list'
import { resumeCommand, setCommand, suspendCommand } from './egress/orders'
import { queueCommand } from './egress/queue'
import { showCommand } from './egress/show-path'
import { checkSource } from './egress/target'
import { readConfig } from './open'
import { print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice egress resolve someone@example.com     what holds for mail to somebody, and which line says so
  sluice egress resolve example.com --mx mx1.example.net,mx2.example.net
                                                without asking DNS
  sluice egress list                            what waits, for how long, and what for
  sluice egress queue example.com               messages of this host for a domain
  sluice egress flush example.com               try now what is put off
  sluice egress suspend google --for 1h --reason "they asked for it"
  sluice egress actions                         what is ordered for paths, by whom, and why`

interface Options extends Common {
  readonly mx?: string
  readonly source: string
}

/** `sluice egress …`. `resolve`: exit code 1 when the domain takes no mail, or DNS does not say. */
export function egressCommand(): Command {
  const command = new Command('egress').description('how mail is delivered').addHelpText('after', EXAMPLES)
  command.addCommand(
    common(
      new Command('resolve')
        .description('print the path of mail to somebody, and where each figure comes from')
        .argument('<who>', 'an address or a domain')
        .option('--mx <host,...>', 'its MX hosts, instead of asking DNS')
        .option('--source <name>', 'what it is sent from', DEFAULT_SOURCE),
    )
      .addHelpText('after', EXAMPLES)
      .action(resolve),
  )
  for (const one of [listCommand(), showCommand(), queueCommand(), ...errandCommands()]) command.addCommand(one)
  const steering = [suspendCommand(), resumeCommand(), setCommand(), actionsCommand(), cancelCommand()]
  for (const one of steering) command.addCommand(one)
  return command
}

async function resolve(who: string, { dir, mx, source, json }: Options): Promise<void> {
  const domain = readDomain(who)
  const { egress, policy } = readConfig(dir)
  checkSource(source, policy)
  const hosts = mx === undefined ? await askHosts(domain, policy) : readHosts(mx)
  const resolved = resolvePath(egress, { domain, mx: hosts, source })
  if (json) printJson({ domain, mx: hosts, ...resolved })
  else show(domain, hosts, resolved)
}

function show(domain: string, mx: readonly string[], { path, source, provider, site, figures }: ResolvedPath): void {
  const head = [
    ['domain', domain],
    ['MX', mx.join(', ')],
    ['path', path],
    ['source', source],
    provider === undefined ? ['site', site] : ['provider', provider],
  ]
  for (const line of table(head)) print(line)
  print('')
  for (const line of table([FIGURE_HEAD, ...figures.map(figureRow)])) print(line.trimEnd())
  if (provider === undefined) say('No provider matches: domains with these MX hosts share the path.')
}
