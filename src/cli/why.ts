import { resolve } from 'node:path'
import { Command } from 'commander'
import { DEFAULTS } from '../config/defaults'
import { formatProblem, loadPolicy } from '../config/load'
import { readDuration } from '../config/units'
import type { LimitRule } from '../gates/limits/rule'
import { type DecisionReading, type DecisionRecord, readDecisions } from '../telemetry/decision-log'
import { oneLine } from '../telemetry/escape'
import { CliError, humanTime, print, printJson, say } from './terminal'
import { shellQuoted } from './why/advice'
import { type ExplainContext, explain, sizeText, utc } from './why/explain'
import { type Query, readQuery } from './why/query'

interface WhyOptions {
  readonly dir: string
  readonly since: string
  readonly most: string
  readonly all?: boolean
  readonly json?: boolean
}

const MOST = 10_000

/**
 * `sluice why`: reads the decision log and tells what was done to whom, by which rule, and how to change it.
 * Exit code 0 when something was found, 1 when nothing was, 2 for wrong usage.
 */
export function whyCommand(): Command {
  return new Command('why')
    .description('say why mail was deferred, refused or would have been: newest first')
    .argument('<about>', 'reference from an SMTP reply, mail address, IP address or network; also a domain or account')
    .option('--dir <dir>', 'Haraka directory', '.')
    .option('--since <time>', 'how far back to look', '24h')
    .option('--most <n>', 'end after so many', '20')
    .option('--all', 'also what was accepted without a remark')
    .option('--json', 'records of the decision log, for programs')
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
  if (options.json) printJson(search.shown)
  else {
    const dirOption = options.dir === '.' ? '' : ` --dir ${shellWord(options.dir)}`
    printShown(search, { now, ruleOf, dirOption })
  }
  sayRest(search, options)
  if (search.shown.length + search.accepted === 0) process.exitCode = 1
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

interface SearchLimits {
  readonly since: number
  readonly most: number
  /** Also show what was accepted without a remark. */
  readonly all: boolean
}

class Search {
  readonly shown: DecisionRecord[] = []
  /** Records met that are not shown because nothing was found wrong. */
  accepted = 0
  lastAccepted: number | undefined
  readonly reading: DecisionReading

  constructor(
    readonly folder: string,
    readonly query: Query,
    readonly limits: SearchLimits,
  ) {
    this.reading = readDecisions(folder, { ...query, since: limits.since }, { most: Infinity })
  }

  async run(): Promise<void> {
    for await (const record of this.reading) {
      if (!this.limits.all && record.decisions.length === 0) {
        this.accepted++
        this.lastAccepted ??= record.t
      } else if (this.shown.push(record) >= this.limits.most) return
    }
  }
}

function printShown({ shown, query, accepted, lastAccepted, limits }: Search, context: ExplainContext): void {
  for (const record of shown) {
    const picked = query.picks ? record.decisions.filter(query.picks) : record.decisions
    for (const line of explain(record, picked.length > 0 ? picked : record.decisions, context)) print(line)
    print('')
  }
  if (shown.length > 0 || lastAccepted === undefined) return
  const stages = accepted === 1 ? '1 stage' : `${accepted} stages`
  print(
    `${oneLine(query.text)}: ${stages} judged since ${utc(limits.since)}, all accepted; the last at ${utc(lastAccepted)}`,
  )
}

function sayRest({ shown, accepted, reading, folder, query, limits }: Search, options: WhyOptions): void {
  const { files, bytesRead, garbageLines } = reading
  if (shown.length >= limits.most) say(`ended after ${limits.most}: --most shows more`)
  else if (shown.length > 0 && accepted > 0) say(`besides, ${accepted} accepted without a remark: --all shows them`)
  if (garbageLines > 0) say(`${garbageLines} lines of the decision log could not be read`)
  if (shown.length + accepted > 0) return
  if (files === 0) say(`no decisions in ${folder} of the last ${options.since}: is --dir the Haraka directory?`)
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
