import { Command, InvalidArgumentError } from 'commander'
import type { Policy } from '../config/compile'
import { parseCidr } from '../keys/address'
import { BanDesk, MOST_BAN_MS, banForMachines } from '../gates/jail/ban-desk'
import { protectionOf } from '../gates/jail/jail-policy'
import { type Ban, OPERATOR, isAutomatic } from '../policy/ban'
import type { Mode } from '../policy/mode'
import { nftSet } from './bans/nft'
import { type Common, common } from './directory'
import { withStore } from './open'
import { CliError, humanTime, print, printJson, say, table } from './terminal'
import { timeOption } from './time-option'

const WHO = 'an address, a network, account:NAME or domain:example.com'
const EXAMPLES = `
Examples:
  sluice ban 192.0.2.7 --for 1h --reason "floods us"
  sluice ban 2001:db8::/48 --for 7d
  sluice ban domain:example.com --dry-run
  sluice unban 192.0.2.7
  sluice bans --json
  sluice bans export --nft | nft -f -`

/** `sluice ban`: shuts somebody out, on every server that shares the store. */
export function banCommand(): Command {
  return common(new Command('ban').description('shut somebody out, on every server that shares the store'))
    .argument('<who>', WHO)
    .addOption(timeOption(MOST_BAN_MS))
    .option('--reason <text>', 'why, for those who ask later', '')
    .option('--origin <word>', 'who says so', OPERATOR)
    .option('--dry-run', 'say what would be done')
    .addHelpText('after', EXAMPLES)
    .action(ban)
}

/** `sluice unban`: lets somebody in again, who begins anew. */
export function unbanCommand(): Command {
  return common(new Command('unban').description('let somebody in again'))
    .argument('<who>', WHO)
    .option('--dry-run', 'say what would be done')
    .addHelpText('after', EXAMPLES)
    .action(unban)
}

/** `sluice bans`: the block list; `sluice bans export`: for firewalls. */
export function bansCommand(): Command {
  const command = common(new Command('bans').description('the block list'))
    .option('--origin <word>', 'only bans of this origin')
    .addHelpText('after', EXAMPLES)
    .action(list)
  command.addCommand(
    common(new Command('export').description('the banned networks, for a firewall'))
      .option('--nft', 'as commands for nft: a table with a set for each family (default: one network a line)')
      .option('--table <name>', 'name of the nft table', readName, 'sluice')
      // `bans` has --dir and --json too, and takes them wherever they stand.
      .action((_, of: Command) => exportBans(of.optsWithGlobals())),
  )
  return command
}

interface BanOptions extends Common {
  readonly for: number
  readonly reason: string
  readonly origin: string
  readonly dryRun?: true
}

async function ban(who: string, { dir, json, dryRun, ...options }: BanOptions): Promise<void> {
  await atDesk(dir, async (desk, { jail }) => {
    const request = { target: who, forMs: options.for, reason: options.reason, origin: options.origin }
    const done = dryRun ? desk.examine(request) : await desk.ban(request)
    if ('problem' in done) throw new CliError(done.problem)
    if (jail.mode.kind === 'off')
      say('jail.mode is off in config/sluice.yaml: nobody is refused until that is changed.')
    if (isWidened(who, done)) say(`All of ${done.target.text}, since in IPv6 that is what one customer has.`)
    if (json) return printJson({ dryRun: dryRun === true, ...banForMachines(done) })
    print(`${dryRun ? 'would ban' : 'banned'} ${done.target.text} until ${utc(done.until)}`)
    if (!dryRun)
      say('Every server that shares the store knows it within a second. To undo: sluice unban ' + done.target.text)
  })
}

function isWidened(who: string, { target }: Ban): boolean {
  const asked = parseCidr(who.trim())
  return asked !== undefined && target.kind === 'network' && asked.bits > target.range.bits
}

async function unban(who: string, { dir, json, dryRun }: Common & { readonly dryRun?: true }): Promise<void> {
  await atDesk(dir, async (desk) => {
    const done = dryRun ? await desk.look(who) : await desk.unban(who)
    if ('problem' in done) throw new CliError(done.problem)
    const { target, found } = done
    if (json) printJson({ dryRun: dryRun === true, target, found })
    else if (found) print(`${dryRun ? 'would unban' : 'unbanned'} ${target}`)
    if (found) return
    const wider = /^(?:account|domain):/.test(target) ? '' : ' (a ban of its network is another: sluice bans)'
    throw new CliError(`${target} is not banned${wider}`)
  })
}

async function list({ dir, json, origin }: Common & { readonly origin?: string }): Promise<void> {
  await atDesk(dir, async (desk) => {
    const bans = (await desk.list()).filter((ban) => origin === undefined || ban.origin === origin)
    if (json) return printJson(bans.map(banForMachines))
    if (bans.length === 0) return say('Nobody is banned.')
    for (const line of table([['WHO', 'ENDS IN', 'ORIGIN', 'WHY'], ...bans.map((one) => row(one, Date.now()))]))
      print(line)
  })
}

function row({ target, until, origin, reason }: Ban, now: number): string[] {
  return [target.text, humanTime(Math.max(0, until - now)), origin, reason === '' ? '-' : reason]
}

interface ExportOptions extends Common {
  readonly nft?: true
  readonly table: string
}

async function exportBans({ dir, json, nft, table: name }: ExportOptions): Promise<void> {
  if (json && nft) throw new CliError('say either --json or --nft', 2)
  await atDesk(dir, async (desk, { trusted, jail }) => {
    const bans = (await desk.list()).filter((ban) => isApplied(ban, jail.mode))
    if (nft) return print(nftSet(bans, [...trusted.ranges(), ...jail.never.ranges()], name, Date.now()))
    const networks = bans.filter(({ target }) => target.kind === 'network')
    if (json) return printJson(networks.map(banForMachines))
    for (const { target } of networks) print(target.text)
  })
}

async function atDesk(dir: string, work: (desk: BanDesk, policy: Policy) => Promise<void>): Promise<void> {
  await withStore(dir, (store, policy) =>
    work(new BanDesk(store, protectionOf(policy.trusted, policy.jail.never)), policy),
  )
}

/** A firewall knows no shadow, and no share of clients: what the jail does not apply to everybody must not go there. */
function isApplied(ban: Ban, { kind }: Mode): boolean {
  return kind !== 'off' && (kind === 'enforce' || !isAutomatic(ban))
}

function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
}

function readName(text: string): string {
  if (/^[a-z][a-z0-9_]{0,30}$/.test(text)) return text
  throw new InvalidArgumentError('lower case letters, digits and _, at most 31')
}
