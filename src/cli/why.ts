import { resolve } from 'node:path'
import { Command } from 'commander'
import { DEFAULTS } from '../config/defaults'
import { formatProblem, loadPolicy } from '../config/load'
import { readDuration } from '../config/units'
import type { LimitRule } from '../gates/limits/rule'
import type { DeliveryRecord } from '../telemetry/delivery-record'
import { oneLine } from '../telemetry/escape'
import { CliError, humanTime, print, printJson, say } from './terminal'
import { shellQuoted } from './why/advice'
import { type ExplainContext, explain, sizeText, utc } from './why/explain'
import { explainAttempt } from './why/explain-attempt'
import { type Queued, explainQueued, findInQueue, queuedForMachines } from './why/in-queue'
import { type Query, readQuery } from './why/query'
import { type Finding, Search, type Untold } from './why/search'

interface WhyOptions {
  readonly dir: string
  readonly since: string
  readonly most: string
  readonly all?: boolean
  readonly json?: boolean
}

const MOST = 10_000

/**
 * `sluice why`: reads the decision log and the delivery log, and tells what was done to whom, by which rule, how to change
 * it, and what became of mail on its way out.
 * Exit code 0 when something was found, 1 when nothing was, 2 for wrong usage.
 */
export function whyCommand(): Command {
  return new Command('why')
    .description('say why mail was deferred, refused or would have been, and why it is not delivered: newest first')
    .argument(
      '<about>',
      'reference from an SMTP reply, mail address, IP address or network; also a domain, account, provider or path, ' +
        'the id of a message or the name of its queue file',
    )
    .option('--dir <dir>', 'Haraka directory', '.')
    .option('--since <time>', 'how far back to look', '24h')
    .option('--most <n>', 'end after so many', '20')
    .option('--all', 'also what was accepted without a remark, and what was delivered')
    .option('--json', 'records of both logs, for programs; `kind` tells which')
    .action(why)
}

async function why(about: string, options: WhyOptions): Promise<void> {
  const query = readQuery(about)
  if (!query) throw new CliError('say what about: a reference, a mail address or an IP address', 2)
  const now = Date.now()
  const since = now - readSince(options.since)
  const { folder, ruleOf } = readPolicy(options.dir)
  const search = new Search(folder, query, { since, most: readMost(options.most), all: options.all === true })
  await search.run()
  const queued = query.message ? await findInQueue(options.dir, query.message) : []
  if (options.json) {
    printJson([...queued.map(queuedForMachines), ...search.shown.map(({ kind, record }) => ({ kind, ...record }))])
  } else {
    const dirOption = options.dir === '.' ? '' : ` --dir ${shellWord(options.dir)}`
    printQueued(queued, search, { now, dirOption })
    printShown(search, { now, ruleOf, dirOption })
  }
  if (search.found > 0 || queued.length === 0) sayRest(search, options)
  if (search.found + queued.length === 0) process.exitCode = 1
}

/** Where a message stands now comes before what became of it so far. */
function printQueued(
  queued: readonly Queued[],
  { shown }: Search,
  context: Pick<ExplainContext, 'now' | 'dirOption'>,
): void {
  for (const one of queued) {
    const last = shown.find((finding) => finding.kind === 'delivery' && finding.record.file === one.message.name.id)
      ?.record as DeliveryRecord | undefined
    for (const line of explainQueued(one, last, context)) print(line)
    print('')
  }
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : shellQuoted(text)
}

function readSince(text: string): number {
  const read = readDuration(text)
  if ('value' in read) return read.value
  throw new CliError(`--since ${read.problem}`, 2)
}

function readMost(text: string): number {
  const most = Number(text)
  if (Number.isInteger(most) && most >= 1 && most <= MOST) return most
  throw new CliError(`--most "${text}": write a whole number from 1 to ${MOST}`, 2)
}

function printShown({ shown, query, accepted, delivered, limits }: Search, context: ExplainContext): void {
  for (const finding of shown) {
    for (const line of linesOf(finding, query.picks, context)) print(line)
    print('')
  }
  if (shown.length > 0) return
  const about = `${oneLine(query.text)}:`
  const sum = ({ count, lastAt }: Untold, nouns: readonly [string, string], end: string) => {
    if (lastAt === undefined) return
    const since = `since ${utc(limits.since)}`
    print(`${about} ${count} ${nouns[count === 1 ? 0 : 1]} ${since}, all ${end}; the last at ${utc(lastAt)}`)
  }
  sum(accepted, ['stage judged', 'stages judged'], 'accepted')
  sum(delivered, ['attempt to deliver', 'attempts to deliver'], 'delivered')
}

function linesOf(finding: Finding, picks: Query['picks'], context: ExplainContext): string[] {
  if (finding.kind === 'delivery') return explainAttempt(finding.record, context, finding.last)
  const { record } = finding
  const picked = picks ? record.decisions.filter(picks) : record.decisions
  return explain(record, picked.length > 0 ? picked : record.decisions, context)
}

function sayRest(
  { shown, accepted, delivered, found, tally, folder, query, limits }: Search,
  options: WhyOptions,
): void {
  const { files, bytesRead, garbageLines } = tally
  if (shown.length >= limits.most) say(`ended after ${limits.most}: --most shows more`)
  else if (shown.length > 0 && accepted.count + delivered.count > 0) {
    const parts = [
      accepted.count > 0 ? `${accepted.count} accepted without a remark` : '',
      delivered.count > 0 ? `${delivered.count} delivered` : '',
    ]
    say(`besides, ${parts.filter((part) => part !== '').join(' and ')}: --all shows them`)
  }
  if (garbageLines > 0) say(`${garbageLines} lines of the logs could not be read`)
  if (found > 0) return
  if (files === 0) say(`no records in ${folder} of the last ${options.since}: is --dir the Haraka directory?`)
  else {
    say(`nothing about ${oneLine(query.text)} since ${utc(limits.since)} (${humanTime(Date.now() - limits.since)})`)
    say(
      `searched ${files === 1 ? '1 file' : `${files} files`} in ${folder}, ${sizeText(bytesRead)}; --since looks further back`,
    )
    if (query.isReference === true)
      say('of connections refused again and again one a minute is recorded: ask for the address')
  }
}

interface PolicyFacts {
  readonly folder: string
  readonly ruleOf: (name: string) => LimitRule | undefined
}

/** A broken configuration must not hide what was done while the last good one was in force. */
function readPolicy(dir: string): PolicyFacts {
  const loaded = loadPolicy(dir)
  if ('problems' in loaded) {
    for (const problem of loaded.problems.slice(0, 3)) say(formatProblem(problem))
    say('the configuration cannot be read (sluice config check says more): the default folder is searched')
    return { folder: resolve(dir, DEFAULTS.decisions.path), ruleOf: () => undefined }
  }
  const { config, rules } = loaded.policy
  const folder = resolve(dir, config.decisions.path)
  return { folder, ruleOf: (name) => rules.find((rule) => rule.name === name) }
}
