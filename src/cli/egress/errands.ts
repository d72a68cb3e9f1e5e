import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import {
  type Errand,
  type ErrandAnswer,
  type ErrandKind,
  type ErrandTarget,
  answerPrefix,
  errandEntry,
  newErrand,
  readAnswer,
} from '../../egress/errand'
import { MAX_BOARD_ENTRIES, type Store } from '../../store/store'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, print, printJson, say } from '../terminal'
import { NOBODY } from './list'
import { MESSAGES_HELP, readErrandTarget } from './messages'
import { readReports } from './reports'

const EXAMPLES = `
Examples:
  sluice egress flush google                     their trouble is over: try now what is put off
  sluice egress flush 1785849725000_aBcDeF       one message
  sluice egress bounce example.com --dry-run     how many messages that would be
  sluice egress bounce example.com --reason "the domain was a typing error" --yes`

/** Servers have so long to answer. */
const WAIT_MS = 5000
const LOOK_EVERY_MS = 50
const ALL = 1_000_000

interface Options extends Common {
  readonly dryRun?: true
  readonly reason?: string
  readonly yes?: true
}

/** What came of an errand. */
interface Outcome {
  readonly answers: readonly ErrandAnswer[]
  /** Processes that have not answered, or not to the end. */
  readonly silent: readonly string[]
}

/** `sluice egress flush` and `bounce`: exit code 1 when no process answers, or no message was meant. */
export function errandCommands(): Command[] {
  return [
    messages(new Command('flush').description('try now what is put off, on all servers; it goes as its path allows')),
    messages(new Command('bounce').description('end messages that wait or are put off, with a report to their senders'))
      .option('--reason <text>', 'why, for the senders', '')
      .option('--yes', 'also when it is more than one message'),
  ].map((command) =>
    command.action((what: string, options: Options) => doErrand(command.name() as 'flush' | 'bounce', what, options)),
  )
}

function messages(command: Command): Command {
  command.argument('<what>', MESSAGES_HELP).option('--dry-run', 'say how many messages that would be')
  return common(command).addHelpText('after', EXAMPLES)
}

async function doErrand(kind: 'flush' | 'bounce', what: string, options: Options): Promise<void> {
  const { dir, json, dryRun, yes, reason = '' } = options
  const target = await readErrandTarget(what, readConfig(dir))
  await withStore(dir, async (store) => {
    const send = (of: ErrandKind, most: number) => run(store, { kind: of, target, reason, most })
    let most = ALL
    if (kind === 'bounce' && !yes && !dryRun) {
      const count = concernedBy('bounce', await send('count', 0))
      if (count > 1) throw new CliError(`that is ${count} messages: say --yes to bounce them all, --dry-run to look`, 2)
      // Others may come meanwhile.
      most = 1
    }
    const outcome = await send(dryRun ? 'count' : kind, most)
    if (json) printJson({ dryRun: dryRun === true, kind, target, ...outcome })
    else for (const answer of outcome.answers) print(sayAnswer(kind, answer, dryRun === true))
    sayRest(kind, outcome)
    const touched = dryRun ? concernedBy(kind, outcome) : sum(outcome, 'done')
    if (touched === 0) throw new CliError(sayNothing(kind, target, outcome))
  })
}

/** Has all processes do something, and waits for their answers. Rejects with a {@link CliError} when there is none to ask. */
async function run(store: Store, asked: Omit<Errand, 'id'>): Promise<Outcome> {
  const expected = (await readReports(store)).processes.map(({ process }) => process)
  if (expected.length === 0) throw new CliError(NOBODY)
  const errand = newErrand(asked)
  const entry = errandEntry(errand, Date.now())
  await store.post([entry])
  const answers = new Map<string, ErrandAnswer>()
  const isOpen = (process: string) => answers.get(process)?.isOver !== true
  const deadline = Date.now() + WAIT_MS
  try {
    while (expected.some(isOpen) && Date.now() < deadline) {
      await delay(LOOK_EVERY_MS)
      for (const found of await store.readBoard(answerPrefix(errand), MAX_BOARD_ENTRIES)) {
        const answer = readAnswer(errand, found)
        if (answer) answers.set(answer.process, answer)
      }
    }
  } finally {
    // Who has not heard of it by now shall not do it when nobody expects it any more.
    await store.withdraw([entry.key, ...[...answers.keys()].map((process) => answerPrefix(errand) + process)])
  }
  const silent = expected.filter(isOpen)
  if (answers.size === 0) {
    throw new CliError(
      `none of ${expected.length} processes has answered within ${WAIT_MS / 1000} s: as far as is known, nothing was done`,
    )
  }
  return { answers: [...answers.values()].sort((a, b) => (a.process < b.process ? -1 : 1)), silent }
}

function sum({ answers }: Outcome, what: 'done' | 'waiting' | 'putOff' | 'underWay' | 'failed' | 'unseen'): number {
  return answers.reduce((total, answer) => total + answer[what], 0)
}

/** Messages that would be touched, by what was counted. */
function concernedBy(kind: 'flush' | 'bounce', outcome: Outcome): number {
  return sum(outcome, 'putOff') + (kind === 'bounce' ? sum(outcome, 'waiting') : 0)
}

function sayAnswer(kind: 'flush' | 'bounce', answer: ErrandAnswer, dryRun: boolean): string {
  const { process, done, waiting, putOff, underWay, failed, isOver } = answer
  const did = kind === 'flush' ? 'tried now' : 'bounced'
  const would = putOff + (kind === 'bounce' ? waiting : 0)
  const parts = [dryRun ? `${would} would be ${did}` : `${done} ${did}`]
  if (kind === 'flush' && waiting > 0) parts.push(`${waiting} wait for their path and go when it has room`)
  if (kind === 'bounce' && !dryRun && waiting + putOff > 0) parts.push(`${waiting + putOff} left: there are more now`)
  if (underWay > 0) parts.push(`${underWay} left alone: they are being delivered`)
  if (failed > 0) parts.push(`${failed} could not be ${kind === 'flush' ? 'read' : 'ended'}, and are tried again`)
  if (!isOver) parts.push('still at work')
  return `${process}: ${parts.join('; ')}`
}

function sayRest(kind: 'flush' | 'bounce', outcome: Outcome): void {
  const open = outcome.silent.filter((process) => !outcome.answers.some((answer) => answer.process === process))
  if (open.length > 0) say(`No answer from ${open.join(', ')}: it may have ended, or be busy.`)
  const unseen = sum(outcome, 'unseen')
  if (unseen > 0) say(`${unseen} messages put off before their server started were not looked at: ${kind} again.`)
}

function sayNothing(kind: 'flush' | 'bounce', target: ErrandTarget, outcome: Outcome): string {
  const what = Object.values(target).join('')
  const underWay = sum(outcome, 'underWay')
  if (underWay > 0) return `nothing to ${kind}: ${underWay} of ${what} are being delivered at the moment`
  if (kind === 'flush' && sum(outcome, 'waiting') > 0) {
    return `nothing of ${what} is put off: what waits goes as its path allows (sluice egress show)`
  }
  return `nothing of ${what} waits or is put off on any server that answered`
}
