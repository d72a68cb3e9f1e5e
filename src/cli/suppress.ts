import { Command, Option } from 'commander'
import type { Policy } from '../config/compile'
import { normalAddress } from '../feedback/suppression'
import type { SuppressionList } from '../feedback/suppression-list'
import type { Suppression, SuppressionReason } from '../policy/suppression'
import { oneLine } from '../telemetry/escape'
import { type Common, common } from './directory'
import { atList } from './suppress/at-list'
import { exportCommand, importCommand } from './suppress/files'
import { CliError, humanTime, print, printJson, readMost, say, table } from './terminal'
import { shellQuoted } from './why/advice'
import { forOption, forMachines, reasonOption } from './suppress/entry'

const EXAMPLES = `
Examples:
  sluice suppress add bob@example.com --reason hard_bounce --detail "no such user"
  sluice suppress add bob@example.com --tenant acme --reason unsubscribe --for 365d
  sluice suppress check bob@example.com
  sluice suppress list --reason complaint
  sluice suppress import list.csv           one address a line, or CSV with a line that names the columns
  sluice suppress export --csv > list.csv`

/** Its key has the tenant in it: without the name it cannot be looked up. */
const ASK_TENANT = 'is it so for one tenant? add --tenant NAME; sluice suppress list names each'

/** `sluice suppress …`. `check`: exit code 1 when the address is suppressed. */
export function suppressCommand(): Command {
  const command = new Command('suppress')
    .description('addresses that no mail is sent to')
    .addHelpText('after', EXAMPLES)
  const tenant = () => new Option('--tenant <name>', 'of this tenant alone (default: of everybody)')
  command.addCommand(
    common(new Command('add').description('send no more mail to an address'))
      .argument('<address>', 'a mail address')
      .addOption(tenant())
      .addOption(reasonOption('manual'))
      .option('--detail <text>', 'what was said, for those who ask later', '')
      .addOption(forOption())
      .action(add),
  )
  command.addCommand(
    common(new Command('remove').description('send mail to an address again'))
      .argument('<address>', 'a mail address')
      .addOption(tenant())
      .action(remove),
  )
  command.addCommand(
    common(new Command('list').description('who is on the list, page by page'))
      .addOption(new Option('--tenant <name>', 'only what is kept for this tenant'))
      .addOption(reasonOption())
      .option('--most <n>', 'about so many at a time', readMost, 100)
      .option('--after <cursor>', 'go on where the last page ended')
      .action(list),
  )
  command.addCommand(
    common(new Command('check').description('say whether mail is sent to an address, and why not'))
      .argument('<address>', 'a mail address')
      .addOption(new Option('--tenant <name>', 'whose mail it is'))
      .action(check),
  )
  for (const one of [importCommand(), exportCommand()]) command.addCommand(one)
  return command
}

interface AddOptions extends Common {
  readonly tenant?: string
  readonly reason: SuppressionReason
  readonly detail: string
  readonly for?: number
}

async function add(address: string, { dir, json, tenant, reason, detail, for: forMs }: AddOptions): Promise<void> {
  await atList(dir, async (list, policy) => {
    const until = forMs === undefined ? undefined : Date.now() + forMs
    const { problems } = await list.add([{ address, tenant, reason, detail, until, by: 'operator' }])
    if (problems[0]) throw new CliError(problems[0].problem, 2)
    const entry = await findOne(list, address, tenant)
    warnOfMode(policy)
    if (json) return printJson(entry && forMachines(entry))
    print(`suppressed ${normalAddress(address)}${ofWhom(tenant)} until ${entry ? day(entry.until) : 'now'}`)
    const undo = `sluice suppress remove ${shellQuoted(address)}${tenant === undefined ? '' : ` --tenant ${shellQuoted(tenant)}`}`
    say(`Every server that shares the store heeds it within a second. To undo: ${undo}`)
  })
}

async function remove(address: string, { dir, json, tenant }: Common & { readonly tenant?: string }): Promise<void> {
  const normal = readAddress(address)
  await atList(dir, async (list) => {
    const found = await list.remove(normal, tenant)
    if (json) printJson({ address: normal, tenant, found })
    else if (found) print(`removed ${normal}${ofWhom(tenant)}`)
    if (found) return
    if (tenant === undefined) throw new CliError(`${normal} is not suppressed for everybody; ${ASK_TENANT}`)
    throw new CliError(`${normal}${ofWhom(tenant)} is not suppressed`)
  })
}

async function check(address: string, { dir, json, tenant }: Common & { readonly tenant?: string }): Promise<void> {
  const normal = readAddress(address)
  await atList(dir, async (list, policy) => {
    const entry = await findOne(list, normal, tenant)
    if (json)
      printJson({ address: normal, tenant, suppressed: entry !== undefined, entry: entry && forMachines(entry) })
    else if (!entry) print(`${normal} is not suppressed for ${tenant === undefined ? 'everybody' : `tenant ${tenant}`}`)
    else for (const line of table(details(entry))) print(line)
    if (!entry) return tenant === undefined ? say(ASK_TENANT) : undefined
    warnOfMode(policy)
    process.exitCode = 1
  })
}

function details({ address, tenant, reason, detail, since, until, by }: Suppression): string[][] {
  return [
    ['address', oneLine(address)],
    ['for', tenant === undefined ? 'everybody' : `tenant ${oneLine(tenant)}`],
    ['reason', reason],
    ['detail', detail === '' ? '-' : oneLine(detail)],
    ['since', day(since)],
    ['until', day(until)],
    ['by', by],
  ]
}

interface ListOptions extends Common {
  readonly tenant?: string
  readonly reason?: SuppressionReason
  readonly most: number
  readonly after?: string
}

/** Looks at no more pages than this for entries of a reason: the rest comes with the next call. */
const MOST_PAGES = 1000

async function list({ dir, json, tenant, reason, most, after }: ListOptions): Promise<void> {
  await atList(dir, async (list, policy) => {
    const found: Suppression[] = []
    let cursor = after === undefined ? undefined : Buffer.from(after, 'base64url').toString()
    for (let pages = 0; pages < MOST_PAGES && found.length < most; pages++) {
      const page = await list.page(cursor, Math.max(most, 100), { tenant })
      // A page may hold more than is asked for: what is left out of it could not be found again.
      found.push(...page.entries.filter((entry) => reason === undefined || entry.reason === reason))
      cursor = page.cursor
      if (cursor === undefined) break
    }
    const following = cursor === undefined ? undefined : Buffer.from(cursor).toString('base64url')
    if (json) return printJson({ entries: found.map(forMachines), after: following })
    warnOfMode(policy)
    if (found.length === 0 && following === undefined) return say('Nobody is suppressed.')
    for (const line of table([['ADDRESS', 'FOR', 'REASON', 'ENDS IN', 'BY', 'DETAIL'], ...found.map(row)])) print(line)
    if (following !== undefined) say(`There are more: add --after ${following}`)
  })
}

function row({ address, tenant, reason, detail, until, by }: Suppression): string[] {
  const left = humanTime(Math.max(0, until - Date.now()))
  return [
    oneLine(address),
    tenant === undefined ? 'everybody' : `tenant ${oneLine(tenant)}`,
    reason,
    left,
    by,
    detail === '' ? '-' : oneLine(detail),
  ]
}

async function findOne(
  list: SuppressionList,
  address: string,
  tenant: string | undefined,
): Promise<Suppression | undefined> {
  return (await list.find([address], { tenant, isBounce: false }))[0]
}

function warnOfMode({ suppression: { mode } }: Policy): void {
  if (mode.kind === 'enforce') return
  say(`suppression.mode is ${mode.kind} in config/sluice.yaml: mail is sent all the same until it is enforce.`)
}

function readAddress(text: string): string {
  const normal = normalAddress(text.trim())
  if (normal === undefined) throw new CliError(`"${text}" is no mail address`, 2)
  return normal
}

function ofWhom(tenant: string | undefined): string {
  return tenant === undefined ? '' : ` for tenant ${tenant}`
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ') + ' UTC'
}
