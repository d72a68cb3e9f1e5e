import { Command, InvalidArgumentError } from 'commander'
import { readDuration } from '../config/units'
import { BanDesk, MOST_BAN_MS, banForMachines } from '../gates/jail/ban-desk'
import { protectionOf } from '../gates/jail/jail-policy'
import type { Ban } from '../policy/ban'
import { nftSet } from './bans/nft'
import { withStore } from './open'
import { CliError, humanTime, print, printJson, say, table } from './terminal'

const WHO = 'an address, a network, account:NAME or domain:example.com'
const EXAMPLES = `
Examples:
  sluice ban 192.0.2.7 --for 1h --reason "floods us"
  sluice ban 2001:db8::/48 --for 7d
  sluice ban domain:example.com --dry-run
  sluice unban 192.0.2.7
  sluice bans --json
  sluice bans export --nft | nft -f -`

interface Common {
  readonly dir: string
  readonly json?: true
}

/** `sluice ban`: shuts somebody out, on every server that shares the store. */
export function banCommand(): Command {
  return common(new Command('ban').description('shut somebody out, on every server that shares the store'))
    .argument('<who>', WHO)
    .option('--for <time>', 'how long: 10m, 12h, 7d', readTime, 3_600_000)
    .option('--reason <text>', 'why, for those who ask later', '')
    .option('--origin <word>', 'who says so', 'operator')
    .option('--dry-run', 'say what would be done')
    .addHelpText('after', EXAMPLES)
    .action(ban)
}

/** `sluice unban`: lets somebody in again. */
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
    new Command('export')
      .description('the banned networks, for a firewall')
      .option('--dir <dir>', 'Haraka directory', '.')
      .option('--nft', 'as commands for nft: a table with a set for each family (default: one network a line)')
      .option('--table <name>', 'name of the nft table', readName, 'sluice')
      .action(exportBans),
  )
  return command
}

function common(command: Command): Command {
  return command.option('--dir <dir>', 'Haraka directory', '.').option('--json', 'print JSON')
}

interface BanOptions extends Common {
  readonly for: number
  readonly reason: string
  readonly origin: string
  readonly dryRun?: true
}

async function ban(who: string, { dir, json, dryRun, ...options }: BanOptions): Promise<void> {
  await atDesk(dir, async (desk) => {
    const request = { target: who, forMs: options.for, reason: options.reason, origin: options.origin }
    const done = dryRun ? desk.examine(request) : await desk.ban(request)
    if ('problem' in done) throw new CliError(done.problem)
    if (json) return printJson({ dryRun: dryRun === true, ...banForMachines(done) })
    print(`${dryRun ? 'would ban' : 'banned'} ${done.target.text} until ${utc(done.until)}`)
    if (!dryRun)
      say('Every server that shares the store knows it within a second. To undo: sluice unban ' + done.target.text)
  })
}

async function unban(who: string, { dir, json, dryRun }: Common & { readonly dryRun?: true }): Promise<void> {
  await atDesk(dir, async (desk) => {
    if (dryRun) {
      const known = (await desk.list()).filter(({ target }) => target.text === who || target.text === `domain:${who}`)
      if (json) return printJson({ dryRun: true, found: known.length > 0 })
      return print(known.length > 0 ? `would unban ${known[0]!.target.text}` : `${who} is not banned`)
    }
    const done = await desk.unban(who)
    if ('problem' in done) throw new CliError(done.problem)
    if (json) printJson(done)
    else if (done.found) print(`unbanned ${done.target}`)
    if (!done.found) {
      const holds =
        done.target.includes(':') && !/[./]/.test(done.target) ? '' : ' (a ban of its network is another: sluice bans)'
      throw new CliError(`${done.target} is not banned${holds}`)
    }
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

async function exportBans({ dir, nft, table: name }: { dir: string; nft?: true; table: string }): Promise<void> {
  await atDesk(dir, async (desk) => {
    const bans = await desk.list()
    if (nft) return print(nftSet(bans, name, Date.now()))
    for (const { target } of bans) if (target.kind === 'network') print(target.text)
  })
}

async function atDesk(dir: string, work: (desk: BanDesk) => Promise<void>): Promise<void> {
  await withStore(dir, (store, { trusted, jail }) => work(new BanDesk(store, protectionOf(trusted, jail.never))))
}

function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
}

function readTime(text: string): number {
  const read = readDuration(text, MOST_BAN_MS)
  if ('value' in read) return read.value
  throw new InvalidArgumentError(read.problem)
}

function readName(text: string): string {
  if (/^[a-z][a-z0-9_]{0,30}$/.test(text)) return text
  throw new InvalidArgumentError('lower case letters, digits and _, at most 31')
}
