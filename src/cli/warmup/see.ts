import { writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { VERDICTS } from '../../egress/warmup/course'
import { isWarm, planFrom, stageOf } from '../../egress/warmup/ladder'
import { modeText } from '../../policy/mode'
import { type Common, common } from '../directory'
import { readConfig, withStore } from '../open'
import { CliError, print, printJson, say, table } from '../terminal'
import { LEGEND, drawCurve } from './curve'
import { type Look, WHO_HELP, lookAt, nameOf, pastOf, planOf, readWho, warmOn } from './look'
import { svgOf } from './svg'

const EXAMPLES = `
Examples:
  sluice warmup status                       where each source stands with each provider
  sluice warmup status fresh --group google  with its days, and the curve
  sluice warmup plan fresh --svg fresh.svg   the days to come, also as a picture`

interface Options extends Common {
  readonly group?: string
  readonly svg?: string
}

export function statusCommand(): Command {
  return seeing(
    new Command('status').description('how far each warm-up has come; of one also its days and the curve'),
  ).action((who: string | undefined, options: Options) => see(who, options, status))
}

export function planCommand(): Command {
  return seeing(new Command('plan').description('the days to come, if each goes well')).action(
    (who: string | undefined, options: Options) => see(who, options, plan),
  )
}

function seeing(command: Command): Command {
  return common(
    command
      .argument('[who]', WHO_HELP)
      .option('--group <name>', 'only with this provider, or other')
      .option('--svg <file>', 'write the curve of one warm-up into a file'),
  ).addHelpText('after', EXAMPLES)
}

async function see(who: string | undefined, options: Options, show: (looks: Look[], options: Options) => void) {
  const { dir, group, json, svg } = options
  const config = readConfig(dir)
  const { warmup } = config.policy.egress
  if (who === undefined && group !== undefined)
    throw new CliError('say which source: sluice warmup status SOURCE --group …', 2)
  const one = who === undefined ? undefined : readWho(who, group, config)
  if (warmup.sources.size === 0 && warmup.tenants === undefined) {
    if (json) return printJson([])
    return say('Nothing warms up: name a source in config/sluice.yaml, such as b: { bind: 192.0.2.11, warmup: true }')
  }
  await withStore(dir, async (store) => {
    const looks = await lookAt(store, warmup, one, Date.now())
    if (svg !== undefined) writePicture(svg, looks)
    if (json) return printJson(looks.map(forMachines))
    if (warmup.mode.kind !== 'enforce') say(`egress.warmup.mode is ${modeText(warmup.mode)}: mail is not held by it.`)
    if (looks.length === 0) return say('Nothing was sent yet by what warms up: each begins with its first message.')
    show(looks, options)
  })
}

function writePicture(file: string, looks: readonly Look[]): void {
  const [look, more] = looks
  if (!look || more) throw new CliError('a picture shows one warm-up: say SOURCE --group PROVIDER', 2)
  writeFileSync(file, svgOf(`${nameOf(look.id)}: recipients a day`, curveOf(look)))
  say(`${file} is written`)
}

/** Today is over for the curve as far as it has come. */
function curveOf(look: Look) {
  return [...pastOf(look), ...planOf(look).slice(1)]
}

function status(looks: Look[]): void {
  const head = ['WHO', 'DAY', 'STAGE', 'SENT', 'DELIVERED', 'BOUNCED', 'DEFERRED', 'COMPLAINTS', 'WARM ON', 'STATE']
  for (const line of table([head, ...looks.map(row)])) print(line)
  const [look, more] = looks
  if (!look || more) return
  print('')
  days(look)
  for (const line of drawCurve(curveOf(look))) print(line)
  say(LEGEND)
}

function row(look: Look): string[] {
  const { id, ladder, course, counts } = look
  const stages = planFrom(ladder, ladder.start).length
  return [
    ...[nameOf(id), course.date, `${stageOf(ladder, course.quota)} of ${stages}`, `${counts.sent} of ${course.quota}`],
    ...[counts.delivered, counts.bounced, counts.deferred, counts.complaints].map(String),
    ...[warmOn(look) ?? '-', stateOf(look)],
  ]
}

function stateOf({ ladder, course, counts, isToCome }: Look): string {
  if (isToCome) return 'begins with its first message'
  const held = counts.over > 0 ? `; ${counts.over} would have waited` : ''
  if (course.paused) return `paused${held}`
  if (isWarm(ladder, course.quota)) return 'warm'
  return (course.rested > 0 ? `${course.rested} days of rest; ${course.why}` : course.why) + held
}

function days({ course }: Look): void {
  const past = course.history.slice(-7)
  if (past.length === 0) return
  const head = ['DAYS BEFORE', 'QUOTA', 'SENT', 'DELIVERED', 'BOUNCED', 'DEFERRED', 'COMPLAINTS', 'THEN']
  const rows = past.map(({ quota, sent, delivered, bounced, deferred, complaints, verdict }, index) => [
    ...[past.length - index, quota, sent, delivered, bounced, deferred, complaints].map(String),
    VERDICTS[verdict],
  ])
  for (const line of table([head, ...rows])) print(line)
  print('')
}

function plan(looks: Look[]): void {
  for (const look of looks) {
    const { id, course } = look
    print(`${nameOf(id)}${look.isToCome ? ', if its first message goes today' : ''}${course.paused ? ', paused' : ''}`)
    const coming = planOf(look)
    for (const line of columns(coming.map(({ date, quota }) => `${date} ${String(quota).padStart(7)}`))) print(line)
    for (const line of drawCurve(curveOf(look))) print(line)
    print('')
  }
  say(LEGEND)
}

/** Four beside one another, to be read downwards, in 80 columns. */
function columns(cells: readonly string[]): string[] {
  const rows = Math.ceil(cells.length / 4)
  return Array.from({ length: rows }, (_, row) => cells.filter((_, index) => index % rows === row).join('  '))
}

function forMachines(look: Look): object {
  const { id, ladder, course, counts, isToCome } = look
  const { history, ...rest } = course
  return {
    ...id,
    ...rest,
    begun: !isToCome,
    warm: isWarm(ladder, course.quota),
    stage: stageOf(ladder, course.quota),
    warmOn: warmOn(look),
    today: counts,
    history: pastOf(look)
      .slice(0, -1)
      .map(({ date }, index) => ({ date, ...history[index], verdict: VERDICTS[history[index]!.verdict] })),
    plan: planOf(look).map(({ date, quota }) => ({ date, quota })),
  }
}
