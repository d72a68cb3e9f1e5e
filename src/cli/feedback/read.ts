import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Command, Option } from 'commander'
import type { LoadedPolicy } from '../../config/load'
import type { Feedback } from '../../feedback/feedback'
import { REPORT_ADDRESSES, type ReportAddress } from '../../feedback/feedback-policy'
import { Intake, type Taken } from '../../feedback/reports/intake'
import { fieldOf, readHeader } from '../../feedback/reports/fields'
import { readReport } from '../../feedback/reports/read-report'
import { type Report, UNHEEDED } from '../../feedback/reports/report'
import { readKeys } from '../../feedback/trace/key-file'
import { oneLine } from '../../telemetry/escape'
import { type Common, common } from '../directory'
import { readConfig } from '../open'
import { CliError, print, printJson, say, table } from '../terminal'

const EXAMPLES = `
Examples:
  sluice feedback read bounce.eml
  sluice feedback read data/reports/1795345634131.3f2a9c01bd.eml --as complaints --json`

interface Options extends Common {
  readonly as: ReportAddress
}

export function readCommand(): Command {
  const command = new Command('read')
    .description('say what a report in a file says, and what would be heeded of it; nothing is counted')
    .argument('<file>', 'a message, as a mail program saves it')
    .addOption(
      new Option('--as <address>', 'which of our addresses it came to').choices(REPORT_ADDRESSES).default('bounces'),
    )
  return common(command).addHelpText('after', EXAMPLES).action(read)
}

async function read(file: string, options: Options): Promise<void> {
  const loaded = readConfig(options.dir)
  const message = readMessage(file)
  const header = readHeader(message.toString('latin1', 0, 65_536))
  const report = await reportIn(message, {
    sender: (fieldOf(header, 'return-path') ?? '').replace(/[<>]/g, '').trim(),
    address: options.as,
    traceHeader: loaded.policy.feedback.traceHeader ?? '',
    ownHosts: [],
  })
  const taken = await judge(report, loaded, options.dir)
  if (options.json) printJson(forMachines(report, taken))
  else show(report, taken)
}

function readMessage(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as Error).message}`)
  }
}

async function reportIn(...asked: Parameters<typeof readReport>): Promise<Report> {
  try {
    return await readReport(...asked)
  } catch (error) {
    throw new CliError(`it cannot be read as a message: ${(error as Error).message}`)
  }
}

/** What would be heeded, were it the first of its kind. Undefined without keys, which are not made here. */
async function judge(
  report: Report,
  { policy, responses, egress }: LoadedPolicy,
  dir: string,
): Promise<Taken | undefined> {
  const file = path.resolve(dir, policy.feedback.keyFile)
  if (!existsSync(file)) {
    say(`There are no keys yet (${file}): whether its trace is ours is not known.`)
    return undefined
  }
  const intake = new Intake({
    sealer: readKeys(file, say),
    classifier: () => responses,
    providerOf: async (domain) => egress.index.providerOf(domain, [domain]),
    store: () => ({ judge: () => ({ committed: true, answers: [], degraded: false }) }),
    expiresMs: () => policy.feedback.expiresMs,
    clock: Date.now,
    onFailure: () => undefined,
  })
  return intake.take(report)
}

function show(report: Report, taken: Taken | undefined): void {
  const lines = [['report', sayReport(report)], ...sayRecipients(report)]
  if (report.messageId !== undefined) lines.push(['message', oneLine(report.messageId)])
  if (taken) lines.push(...sayTaken(taken))
  for (const line of table(lines)) print(line)
}

function sayReport(report: Report): string {
  if (report.kind === 'unheeded') return `none to heed: ${UNHEEDED[report.why]}`
  return report.kind === 'complaint'
    ? `complaint (${report.form}, ${oneLine(report.feedbackType)})`
    : `${report.kind} (${report.form})`
}

const MOST_SHOWN = 20

function sayRecipients(report: Report): string[][] {
  switch (report.kind) {
    case 'bounce':
      return report.recipients.slice(0, MOST_SHOWN).map(({ original, final, action, status, diagnostic }) => {
        const address = oneLine(original ?? final ?? 'nobody named')
        return ['says', `${address} ${action} ${status ?? ''} ${oneLine(diagnostic, 300)}`]
      })
    case 'complaint':
      return report.recipients.slice(0, MOST_SHOWN).map((recipient) => ['says', `${oneLine(recipient)} complains`])
    case 'unsubscribe':
    case 'unheeded':
      return []
  }
}

function sayTaken({ trace, said, ignored }: Taken): string[][] {
  const { tenant, account, campaign, message } = trace?.origin ?? {}
  const whose = [tenant, account, campaign].map((name) => oneLine(name ?? '-')).join(' / ')
  return [
    [
      'trace',
      trace ? `ours: tenant, account, campaign ${whose}; sent ${new Date(trace.at).toISOString()}` : 'none of ours',
    ],
    ...(message === undefined ? [] : [['id', oneLine(message)]]),
    ...said.slice(0, MOST_SHOWN).map((one) => ['heeded', sayFeedback(one)]),
    ...[...ignored].map(([why, count]) => ['ignored', `${count}: ${why.replaceAll('_', ' ')}`]),
  ]
}

function sayFeedback({ kind, recipient, provider, answer }: Feedback): string {
  const means = answer ? ` ${answer.responseClass}${answer.isHard ? ', hard' : ''}, rule ${answer.rule ?? '-'}` : ''
  return `${oneLine(recipient)} ${kind}${means}, provider ${provider ?? 'other'}`
}

function forMachines({ trace: _token, ...report }: Report, taken: Taken | undefined): object {
  if (!taken) return { report }
  const { trace, said, ignored } = taken
  const whose = trace ? { ...trace.origin, at: new Date(trace.at).toISOString(), recipients: trace.count } : null
  return { report, trace: whose, heeded: said, ignored: Object.fromEntries(ignored) }
}
