import { Command } from 'commander'
import type { ResolvedFigure } from '../egress/profile'
import { DEFAULT_SOURCE, type ResolvedPath, resolvePath } from '../egress/rules'
import type { Window } from '../store/store'
import { actionsCommand, cancelCommand } from './egress/actions'
import { askHosts, readDomain, readHosts } from './egress/destination'
import { resumeCommand, setCommand, suspendCommand } from './egress/orders'
import { readConfig } from './open'
import { humanTime, print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice egress resolve someone@example.com     what holds for mail to somebody, and which line says so
  sluice egress resolve example.com --mx mx1.example.net,mx2.example.net
                                                without asking DNS
  sluice egress suspend google --for 1h --reason "they asked for it"
  sluice egress actions                         what is ordered for paths, by whom, and why`

interface Options {
  readonly dir: string
  readonly mx?: string
  readonly source: string
  readonly json?: true
}

/** `sluice egress …`. `resolve`: exit code 1 when the domain takes no mail, or DNS does not say. */
export function egressCommand(): Command {
  const command = new Command('egress').description('how mail is delivered').addHelpText('after', EXAMPLES)
  command.addCommand(
    new Command('resolve')
      .description('print the path of mail to somebody, and where each figure comes from')
      .argument('<who>', 'an address or a domain')
      .option('--mx <host,...>', 'its MX hosts, instead of asking DNS')
      .option('--source <name>', 'what it is sent from', DEFAULT_SOURCE)
      .option('--dir <dir>', 'Haraka directory', '.')
      .option('--json', 'print JSON')
      .addHelpText('after', EXAMPLES)
      .action(resolve),
  )
  const steering = [suspendCommand(), resumeCommand(), setCommand(), actionsCommand(), cancelCommand()]
  for (const one of steering) command.addCommand(one)
  return command
}

async function resolve(who: string, { dir, mx, source, json }: Options): Promise<void> {
  const domain = readDomain(who)
  const { egress, policy } = readConfig(dir)
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
  const rows = figures.map((one) => {
    const { place = '', provenance = '' } = one.origin ?? {}
    return [one.figure, sayValue(one), `${one.kind} ${one.name}`.trim(), place, provenance]
  })
  for (const line of table([['FIGURE', 'VALUE', 'LAYER', 'LINE', 'WHO SAYS SO'], ...rows])) print(line.trimEnd())
  if (provider === undefined) say('No provider matches: domains with these MX hosts share the path.')
}

/** Figures of time, by the ends of their names. */
const TIMES = /^(timeouts\..*|retry\.(first|longest)|sessions\.idle)$/

function sayValue({ figure, value }: ResolvedFigure): string {
  if (value === undefined) return 'no limit'
  if (typeof value === 'object') return sayRate(value)
  if (typeof value === 'string') return value
  if (TIMES.test(figure)) return humanTime(value)
  if (figure === 'retry.jitter') return `${Number((value * 100).toFixed(2))}%`
  return figure === 'size' ? `${value} bytes` : String(value)
}

function sayRate({ limit, windowMs }: Window): string {
  return `${limit} in ${humanTime(windowMs)}`
}
