import { RESPONSE_CLASSES, type Response, type ResponseClass } from '../src/feedback/response-class'
import { printTable } from './measure'
import { shippedClassifier, shippedSamples } from './classify'

/** Whether shipped rules know their own samples: all there is of them, and their words alone. They were written to do so. */
export function benchAnswers(): Promise<unknown> {
  const classifier = shippedClassifier()
  const samples = shippedSamples()
  const whole = new Counts()
  const words = new Counts()
  for (const { response, responseClass } of samples) {
    whole.add(responseClass, classifier.classify(response).responseClass)
    words.add(responseClass, classifier.classify(wordsOf(response)).responseClass)
  }
  const classes = Object.keys(RESPONSE_CLASSES).filter((one) => whole.of(one as ResponseClass).wanted > 0)
  const rows = classes.map((name) => {
    const [all, alone] = [whole.of(name as ResponseClass), words.of(name as ResponseClass)]
    return [name, String(all.wanted), ...percents(all), ...percents(alone)]
  })
  printTable(
    'Samples of the shipped rules, read whole and by their words alone',
    ['class', 'samples', 'recall', 'precision', 'recall, words', 'precision, words'],
    rows,
  )
  return Promise.resolve(Object.fromEntries(rows.map(([name, ...figures]) => [name, figures])))
}

/** No provider, no phase, no enhanced code, and of the code whether it may be tried again: nobody says 599. */
function wordsOf({ code, text }: Response): Response {
  return { code: Math.floor(code / 100) * 100 + 99, enhanced: undefined, text, phase: undefined, provider: undefined }
}

interface Count {
  wanted: number
  got: number
  right: number
}

class Counts {
  private readonly byClass = new Map<ResponseClass, Count>()

  add(wanted: ResponseClass, got: ResponseClass): void {
    this.of(wanted).wanted++
    this.of(got).got++
    if (wanted === got) this.of(got).right++
  }

  of(name: ResponseClass): Count {
    const count = this.byClass.get(name) ?? { wanted: 0, got: 0, right: 0 }
    this.byClass.set(name, count)
    return count
  }
}

/** Recall and precision. */
function percents({ wanted, got, right }: Count): string[] {
  return [wanted, got].map((all) => (all === 0 ? '–' : `${((100 * right) / all).toFixed(0)} %`))
}
