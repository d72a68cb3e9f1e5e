import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import type { AttemptPhase } from '../src/policy/attempt-phase'
import { shippedProviders } from '../src/config/providers/read'
import { readResponses } from '../src/config/responses/read'
import type { Classifier } from '../src/feedback/classifier'
import { readResponse } from '../src/feedback/read-response'
import type { Response, ResponseClass } from '../src/feedback/response-class'
import { median, printTable } from './measure'

const ROUNDS = 5
const ANSWERS = 300_000
const HOME = path.join(__dirname, '..')

interface Written {
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly provider?: string | string[]
        readonly phase?: AttemptPhase | AttemptPhase[]
        readonly class: ResponseClass
        readonly is: readonly string[]
      }
    >
  >
}

/** How many answers a second one core classifies with all shipped rules: their own samples in turn, each from its provider. */
export function benchClassify(): Promise<unknown> {
  const classifier = shippedClassifier()
  const responses = shippedSamples().map(({ response }) => response)
  timed(classifier, responses)
  const rates = Array.from({ length: ROUNDS }, () => timed(classifier, responses))
  const letters = responses.reduce((sum, { text }) => sum + text.length, 0) / responses.length
  const figures = { answersPerSecond: median(rates), samples: responses.length, letters }
  printTable(
    `Answers classified on one core, medians of ${ROUNDS} rounds of ${ANSWERS}`,
    ['answers', 'letters, on average', 'answers/s', 'to reach'],
    [[String(responses.length), letters.toFixed(0), figures.answersPerSecond.toFixed(0), '200000']],
  )
  return Promise.resolve(figures)
}

export function shippedClassifier(): Classifier {
  const { outcome: read } = readResponses(HOME, path.join(HOME, 'config'), [...shippedProviders().providers.keys()])
  if ('problems' in read) throw new Error('the shipped rules cannot be used: sluice feedback classify says why')
  return read.classifier
}

/** Each from the provider and the phase of its rule. */
export function shippedSamples(): { readonly response: Response; readonly responseClass: ResponseClass }[] {
  const { responses } = parse(readFileSync(path.join(HOME, 'config/sluice/responses.yaml'), 'utf8')) as Written
  return Object.values(responses).flatMap(({ provider, phase, class: responseClass, is }) => {
    const known = { provider: [provider].flat()[0], phase: [phase].flat()[0] }
    return is.map((sample) => ({ response: readResponse(sample, known), responseClass }))
  })
}

/** Answers a second. */
function timed(classifier: Classifier, responses: readonly Response[]): number {
  let known = 0
  const began = performance.now()
  for (let count = 0; count < ANSWERS; count++) {
    if (classifier.classify(responses[count % responses.length]!).rule) known++
  }
  const seconds = (performance.now() - began) / 1000
  if (known !== ANSWERS) throw new Error(`${ANSWERS - known} answers were not known, though each is a sample`)
  return ANSWERS / seconds
}
