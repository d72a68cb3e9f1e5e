import { Command } from 'commander'
import type { Policy } from '../config/compile'
import { BlockLists, type ListAnswer, type ListHit, type ListSubject, type ZoneReport, sumOf } from '../dns/block-lists'
import { isDomain } from '../dns/list-spec'
import { DnsResolver } from '../dns/resolver'
import { isPrivate, parseIp } from '../keys/address'
import { type Common, common } from './directory'
import { readPolicy } from './open'
import { CliError, print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice dnsbl test 192.0.2.7             what each list says of an address
  sluice dnsbl test example.com --json    of a domain, as in HELO or a sender`

/** `sluice dnsbl test`: what each DNS list says of somebody, and how the list does. Exit code 1 when a list is ill. */
export function dnsblCommand(): Command {
  const command = new Command('dnsbl').description('the DNS lists of config/sluice.yaml').addHelpText('after', EXAMPLES)
  command.addCommand(
    common(
      new Command('test').description('probe every list and ask it about somebody; exit code 1 when a list is ill'),
    )
      .argument('<who>', 'an IP address or a domain')
      .addHelpText('after', EXAMPLES)
      .action(test),
  )
  return command
}

async function test(who: string, { dir, json }: Common): Promise<void> {
  const policy = readPolicy(dir)
  const subject = readSubject(who)
  const { reports, answer } = await withLists(policy, async (lists) => {
    await lists.probeAll()
    return { answer: await lists.lookup(subject), reports: lists.reports() }
  })
  const rows = reports.map((report) => rowOf(report, answer))
  const sum = sumOf(answer.hits)
  if (json) printJson({ who, sum, lists: rows })
  else showAll(who, rows, sum, policy)
  if (rows.some(({ result }) => result === 'ill')) process.exitCode = 1
}

/** Asks with the config's own lists, servers and deadline, and lets nothing of it live on. */
export async function withLists<T>(policy: Policy, use: (lists: BlockLists) => Promise<T>): Promise<T> {
  const { servers, timeout } = policy.config.dns
  const resolver = new DnsResolver({ servers, deadlineMs: timeout })
  const lists = new BlockLists({ zones: policy.config.dnsbl.zones, resolver, deadlineMs: timeout })
  try {
    return await use(lists)
  } finally {
    lists.stop()
    resolver.close()
  }
}

function readSubject(who: string): ListSubject {
  const client = parseIp(who.replace(/^\[(?:ipv6:)?(.*)\]$/i, '$1'))
  if (client && isPrivate(client)) {
    throw new CliError(`${who} is an address of a network of one's own: no list knows of it, and none is asked`, 2)
  }
  if (client) return { client }
  if (isDomain(who)) return { helo: who, sender: who }
  throw new CliError(`${who} is neither an IP address nor a domain`, 2)
}

/** What one list came to. */
interface Row {
  readonly list: string
  readonly result: 'listed' | 'not listed' | 'ill' | 'no answer' | 'not asked'
  readonly codes: readonly string[]
  readonly points: number
  readonly why: string
}

function rowOf({ label, state, why }: ZoneReport, { hits, silent, clear }: ListAnswer): Row {
  const nothing = { list: label, codes: [], points: 0 }
  if (state !== 'well') return { ...nothing, result: 'ill', why: `${state}: ${why}` }
  const own = hits.filter((hit) => hit.label === label)
  if (own.length > 0) {
    const codes = [...new Set(own.flatMap((hit) => hit.codes))]
    return { list: label, result: 'listed', codes, points: sumOf(own), why: patternsOf(own) }
  }
  const unheard = silent.find((one) => one.label === label)
  if (unheard) return { ...nothing, result: 'no answer', why: unheard.why }
  const asked = clear.some((one) => one.label === label)
  return asked
    ? { ...nothing, result: 'not listed', why: '' }
    : { ...nothing, result: 'not asked', why: 'lists others' }
}

function patternsOf(hits: readonly ListHit[]): string {
  return [...new Set(hits.map(({ pattern, weight }) => `${pattern}: ${weight}`))].join(', ')
}

function showAll(who: string, rows: readonly Row[], sum: number, { config }: Policy): void {
  if (rows.length === 0) return say('No list is configured: see dnsbl.zones in config/sluice.yaml.')
  const cells = rows.map(({ list, result, codes, points, why }) => [
    ...[list, result, codes.join(' '), result === 'listed' ? String(points) : ''],
    why,
  ])
  for (const line of table([['LIST', 'RESULT', 'CODES', 'POINTS', 'WHY'], ...cells])) print(line)
  const { defer, reject } = config.dnsbl
  const from = (points: number | undefined) => (points === undefined ? 'never' : `from ${points}`)
  say(`${who}: ${sum} points in all; deferred ${from(defer)}, refused ${from(reject)}.`)
}
