import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { shippedProviders } from '../src/config/providers/read'
import { readResponses } from '../src/config/responses/read'
import type { Classifier } from '../src/feedback/classifier'
import { readResponse } from '../src/feedback/read-response'
import type { Response } from '../src/feedback/response-class'
import { median, printTable } from './measure'

const ROUNDS = 5
const ANSWERS = 300_000
const HOME = path.join(__dirname, '..')

interface Written {
  readonly responses: Readonly<
    Record<string, { readonly provider?: string | string[]; readonly is: readonly string[] }>
  >
}

/** How many answers a second one core classifies with all shipped rules: their own samples in turn, each from its provider. */
export function benchClassify(): Promise<unknown> {
  const { outcome: read } = readResponses(HOME, path.join(HOME, 'config'), [...shippedProviders().providers.keys()])
  if ('problems' in read) throw new Error('the shipped rules cannot be used: sluice feedback classify says why')
  const { classifier } = read
  const samples = samplesOf(readFileSync(path.join(HOME, 'config/sluice/responses.yaml'), 'utf8'))
  const responses = samples.map(({ text, provider }) => readResponse(text, { provider, phase: 'rcpt' }))
  timed(classifier, responses)
  const rates = Array.from({ length: ROUNDS }, () => timed(classifier, responses))
  const letters = samples.reduce((sum, { text }) => sum + text.length, 0) / samples.length
  const figures = { answersPerSecond: median(rates), samples: samples.length, letters }
  printTable(
    `Answers classified on one core, medians of ${ROUNDS} rounds of ${ANSWERS}`,
    ['answers', 'letters, on average', 'answers/s', 'to reach'],
    [[String(samples.length), letters.toFixed(0), figures.answersPerSecond.toFixed(0), '200000']],
  )
  return Promise.resolve(figures)
}

function samplesOf(text: string): { readonly text: string; readonly provider: string | undefined }[] {
  const { responses } = parse(text) as Written
  return Object.values(responses).flatMap(({ provider, is }) =>
    is.map((sample) => ({ text: sample, provider: Array.isArray(provider) ? provider[0] : provider })),
  )
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
