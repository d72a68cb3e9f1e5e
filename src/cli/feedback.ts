import { Command } from 'commander'
import { ATTEMPT_PHASES, type AttemptPhase } from '../policy/attempt-phase'
import type { Classified, Classifier } from '../feedback/classifier'
import { type Consequence, sayTrigger } from '../feedback/automation/consequence'
import { readResponse } from '../feedback/read-response'
import { RESPONSE_CLASSES, type Response } from '../feedback/response-class'
import { oneLine } from '../telemetry/escape'
import { type Common, common } from './directory'
import { readConfig } from './open'
import { readCommand } from './feedback/read'
import { statsCommand } from './feedback/stats'
import { CliError, humanTime, print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice feedback stats --tenant acme
  sluice feedback read bounce.eml
  sluice feedback classify "550 5.1.1 <user@example.com>: User unknown" --phase rcpt
  sluice feedback classify "421-4.7.28 Gmail has detected an unusual rate of mail" --provider google`

interface Options extends Common {
  readonly provider?: string
  readonly phase?: string
}

/** `sluice feedback …`: what the world says of our mail, and what that means here. */
export function feedbackCommand(): Command {
  const command = new Command('feedback')
    .description('what others say of our mail: answers, bounces, complaints')
    .addHelpText('after', EXAMPLES)
  const classify = new Command('classify')
    .description('say what an answer is about, and which rule says so')
    .argument('<answer>', 'an SMTP answer, of one line or several, as a log or a report has it')
    .option('--provider <name>', 'who said it, as config/sluice/providers.yaml calls it')
    .option('--phase <phase>', `what it was said to: ${ATTEMPT_PHASES.join(', ')}`)
  command.addCommand(statsCommand())
  command.addCommand(readCommand())
  command.addCommand(common(classify).addHelpText('after', EXAMPLES).action(classifyAnswer))
  return command
}

const ANSWER_HELP = 'write it as the server did, such as "550 5.1.1 User unknown"'

function classifyAnswer(answer: string, { dir, json, provider, phase }: Options): void {
  if (answer.trim() === '') throw new CliError(`an answer is empty: ${ANSWER_HELP}`, 2)
  const classifier = readClassifier(dir, provider)
  const response = readResponse(answer, { provider, phase: readPhase(phase) })
  const classified = classifier.classify(response)
  if (json) printJson(forMachines(response, classified))
  else show(response, classified)
  if (response.code === 0 && response.enhanced === undefined) say(`No code was found in it: ${ANSWER_HELP}`)
}

function readClassifier(dir: string, provider: string | undefined): Classifier {
  const { egress, responses } = readConfig(dir)
  const names = [...egress.providers.keys()]
  if (provider !== undefined && !names.includes(provider)) {
    throw new CliError(`no provider is called ${provider}: write one of ${names.sort().join(', ')}`, 2)
  }
  return responses
}

function readPhase(text: string | undefined): AttemptPhase | undefined {
  const phase = ATTEMPT_PHASES.find((one) => one === text)
  if (text === undefined || phase !== undefined) return phase
  throw new CliError(`--phase ${text}: write one of ${ATTEMPT_PHASES.join(', ')}`, 2)
}

function show({ code, enhanced, text }: Response, { responseClass, scope, isHard, isFinal, rule }: Classified): void {
  const end = isFinal ? 'not tried again' : 'tried again'
  const lines = [
    ['class', `${responseClass}: ${RESPONSE_CLASSES[responseClass]}`],
    ['about', scope],
    ['then', isHard ? `${end}, and there is no use in writing there at all` : end],
    ['code', [code === 0 ? 'none' : String(code), enhanced].filter((part) => part !== undefined).join(' ')],
    ['text', oneLine(text)],
    ['rule', rule?.name ?? 'none fits'],
    ...(rule?.consequences ?? []).map((one) => ['sets off', sayConsequence(one)]),
  ]
  for (const line of table(lines)) print(line)
}

/** `blame for 1 h, after 3 in 1 h`. */
function sayConsequence(consequence: Consequence): string {
  const { does, trigger, forMs } = consequence
  const of = 'of' in consequence ? ` of the ${consequence.of}` : ''
  const after = trigger.kind === 'immediate' ? '' : `, after ${sayTrigger(trigger, humanTime)}`
  return `${does}${of}${toWhat(consequence)} for ${humanTime(forMs)}${after}`
}

function toWhat(consequence: Consequence): string {
  if ('factor' in consequence) return ` to ${Number((consequence.factor * 100).toFixed(2))}%`
  if ('messages' in consequence) return ` to ${consequence.messages} messages`
  if ('to' in consequence) return ` to ${consequence.to.limit} recipients in ${humanTime(consequence.to.windowMs)}`
  return ''
}

function forMachines(response: Response, { responseClass, scope, isHard, isFinal, rule }: Classified): object {
  return {
    ...response,
    class: responseClass,
    scope,
    hard: isHard,
    final: isFinal,
    rule: rule?.name,
    setsOff: rule?.consequences ?? [],
  }
}
