import { setTimeout as delay } from 'node:timers/promises'
import { Command, InvalidArgumentError } from 'commander'
import { daysFrom } from '../../egress/warmup/calendar'
import { type Course, beginCourse, roll } from '../../egress/warmup/course'
import { readCounts } from '../../egress/warmup/counters'
import { WarmupDesk } from '../../egress/warmup/desk'
import { type Ladder, quotaOf } from '../../egress/warmup/ladder'
import { type WarmupId, type WarmupPolicy, ladderOf } from '../../egress/warmup/policy'
import type { Store } from '../../store/store'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, print, printJson } from '../terminal'
import { WHO_HELP, type Who, isOf, nameOf, readWho } from './look'

const EXAMPLES = `
Examples:
  sluice warmup set fresh --group google --quota 2000   today, and on from there
  sluice warmup set fresh --stage 1                     begin anew, with every provider
  sluice warmup pause fresh                             the quota stays as it is from day to day
  sluice warmup resume fresh`

/** Turns of others last so long at most. */
const PATIENCE_MS = 10_000
const MOST = 100_000_000

interface Options extends Common {
  readonly group?: string
  readonly dryRun?: true
}

type Change = (course: Course, ladder: Ladder, today: string) => Course

export function setCommand(): Command {
  return changing(new Command('set').description('put a warm-up somewhere else on its ladder, from now on'))
    .option('--quota <n>', 'recipients a day', readCount)
    .option('--stage <n>', 'counted from 1', readCount)
    .action((text: string, { quota, stage, ...options }: Options & { quota?: number; stage?: number }) => {
      if ((quota === undefined) === (stage === undefined)) throw new CliError('say --quota or --stage', 2)
      const make: Change = (course, ladder, today) => ({
        ...course,
        // By a wrong clock it has gone ahead; the next day may have begun already where the servers are.
        date: daysFrom(today, course.date) > 1 ? today : course.date,
        quota: Math.min(ladder.until, quota ?? quotaOf(ladder, stage!)),
        rested: 0,
        why: 'set by hand',
      })
      return change(text, options, make)
    })
}

export function pauseCommand(): Command {
  return changing(
    new Command('pause').description(
      'leave the quota as it is from day to day; mail goes on (sluice egress suspend stops it)',
    ),
  ).action((text: string, options: Options) => change(text, options, (course) => ({ ...course, paused: true })))
}

export function resumeCommand(): Command {
  return changing(new Command('resume').description('let the quota rise and fall again')).action(
    (text: string, options: Options) => change(text, options, (course) => ({ ...course, paused: false })),
  )
}

function changing(command: Command): Command {
  return common(
    command
      .argument('<who>', WHO_HELP)
      .option('--group <name>', 'only with this provider, or other; one that has not begun begins')
      .option('--dry-run', 'say what would be done'),
  ).addHelpText('after', EXAMPLES)
}

async function change(text: string, { dir, group, json, dryRun }: Options, make: Change): Promise<void> {
  const config = readConfig(dir)
  const { warmup } = config.policy.egress
  const who = readWho(text, group, config)
  await withStore(dir, async (store) => {
    const ids = await idsOf(store, who)
    if (ids.length === 0) throw new CliError(`${text} has not begun with anybody: say --group, or let it send`)
    const changed: { readonly id: WarmupId; readonly course: Course }[] = []
    for (const id of ids) {
      const ladder = ladderOf(warmup, id)
      if (ladder)
        changed.push({
          id,
          course: await changeOne(store, warmup, id, (course, today) => make(course, ladder, today), dryRun),
        })
    }
    if (json)
      return printJson(
        changed.map(({ id, course: { history: _, ...course } }) => ({ dryRun: dryRun === true, ...id, ...course })),
      )
    const would = dryRun ? 'would be' : 'is'
    for (const { id, course } of changed) {
      print(`${nameOf(id)} ${would} at ${course.quota} recipients a day${course.paused ? ', paused' : ''}`)
    }
  })
}

async function idsOf(store: Store, who: Who): Promise<WarmupId[]> {
  if (who.tenant !== undefined) return [{ tenant: who.tenant }]
  if (who.group !== undefined) return [{ source: who.source!, group: who.group }]
  return (await new WarmupDesk(store).list()).map(({ id }) => id).filter((id) => isOf(id, who))
}

/** In turn with the servers, which may just end the day. */
async function changeOne(
  store: Store,
  policy: WarmupPolicy,
  id: WarmupId,
  make: (course: Course, today: string) => Course,
  dryRun: true | undefined,
): Promise<Course> {
  const ladder = ladderOf(policy, id)!
  const desk = new WarmupDesk(store)
  const onto = async (known: Course | undefined): Promise<Course> => {
    const today = policy.calendar.dayAt(Date.now()).date
    if (!known) return make(beginCourse(ladder, today), today)
    return make(roll(known, ladder, policy, today, await readCounts(store, id, known.date)), today)
  }
  if (dryRun) return onto(await desk.read(id))
  const until = Date.now() + PATIENCE_MS
  for (;;) {
    const changed = await desk.change(id, onto)
    if ('course' in changed) return changed.course!
    if (Date.now() > until) throw new CliError(`${nameOf(id)} is being changed by a server all the time: try again`)
    await delay(Math.min(changed.retryAfterMs, 500))
  }
}

function readCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= MOST) return count
  throw new InvalidArgumentError(`write a whole number from 1 to ${MOST}.`)
}
