/** What is wrong with a file of responses although its shape is right: rules that can never hold, and samples that say so. */
import { Classifier, type ResponseRule } from '../../feedback/classifier'
import { plainPhrase } from '../../feedback/phrases'
import type { ResponseClass } from '../../feedback/response-class'
import { readResponse } from '../../feedback/read-response'
import { didYouMean, type Mistake } from '../problem'
import type { WrittenConsequence } from './consequences'
import { type ResponsesFile, scopeOf } from './rules'
import type { WrittenRule } from './schema'

/**
 * `rules` are those of this file over `shipped`; `providers` the names that there are. The shipped file may name some that
 * the operator has removed.
 */
export function mistakesIn(
  { written }: ResponsesFile,
  rules: readonly ResponseRule[],
  { shipped, providers }: { readonly shipped: ReadonlySet<string> | undefined; readonly providers: readonly string[] },
): Mistake[] {
  const all = Object.entries(written.responses ?? {})
  const own = all.filter((entry): entry is [string, WrittenRule] => entry[1] !== false)
  const mistakes = [
    ...classesOf(written).flatMap(([about, then]) => spoilt(['classes', about], { class: about }, then)),
    ...all.flatMap(([name, one]) => (one === false && shipped?.has(name) !== true ? [notShipped(name)] : [])),
    ...own.flatMap(([name, one]) => [
      ...saysNothing(name, one),
      ...contradicts(name, one),
      ...spoilt(['responses', name, 'then'], one, one.then),
      ...(shipped ? strangers(name, one, providers) : []),
    ]),
  ]
  // Samples mean something only where all else is right.
  if (mistakes.length > 0) return mistakes
  const classifier = new Classifier(rules)
  const order = rules.map(({ name }) => name)
  return own.flatMap(([name, one]) => falseSamples(name, one, classifier, order))
}

function notShipped(name: string): Mistake {
  return { path: ['responses', name], at: 'key', message: 'no rule of this name is shipped: remove the line' }
}

function saysNothing(name: string, { provider, phase, code, enhanced, says }: WrittenRule): Mistake[] {
  if ([provider, phase, code, enhanced, says].some((part) => part !== undefined)) return []
  return [{ path: ['responses', name], at: 'key', message: 'fits every answer: it needs code, enhanced or says' }]
}

function classesOf({ classes = {} }: ResponsesFile['written']) {
  return Object.entries(classes) as [ResponseClass, readonly WrittenConsequence[]][]
}

/** An answer that is about us, or about how much we send, would put everybody on the suppression list who is written to. */
function spoilt(
  path: readonly string[],
  about: Pick<WrittenRule, 'scope' | 'class'>,
  then: readonly WrittenConsequence[] = [],
): Mistake[] {
  const scope = scopeOf(about)
  if (scope === 'recipient') return []
  return then.flatMap((one, place): Mistake[] => {
    const message = `suppress is for answers about a recipient; these are about the ${scope}`
    return one.do === 'suppress' ? [{ path: [...path, place, 'do'], at: 'value', message }] : []
  })
}

/** What can never be: words that it must have and must not, or codes that no answer has together. */
function contradicts(name: string, { code, enhanced, says, and, not = [] }: WrittenRule): Mistake[] {
  const path = ['responses', name]
  const no = not.map((phrase) => plainPhrase(phrase)!)
  const isExcluded = (list: readonly string[] | undefined) =>
    list?.every((phrase) => no.some((one) => plainPhrase(phrase)!.includes(one))) === true
  const mistakes: Mistake[] = []
  for (const [key, list] of [
    ['says', says],
    ['and', and],
  ] as const) {
    if (isExcluded(list)) {
      mistakes.push({ path: [...path, key], at: 'key', message: 'can never match: "not" excludes each of these' })
    }
  }
  const kinds = code?.map((digits) => digits[0])
  const isApart = kinds && enhanced?.every((one) => !one.startsWith('.') && !kinds.includes(one[0]))
  if (isApart) {
    const message = 'can never match: an enhanced code begins with the digit that its code begins with'
    mistakes.push({ path: [...path, 'enhanced'], at: 'key', message })
  }
  return mistakes
}

function strangers(name: string, { provider = [] }: WrittenRule, providers: readonly string[]): Mistake[] {
  return provider
    .filter((one) => !providers.includes(one))
    .map((one) => {
      const meant = didYouMean(one, providers)
      const mend = meant === undefined ? 'write one of config/sluice/providers.yaml' : `did you mean "${meant}"?`
      return { path: ['responses', name, 'provider'], at: 'value', message: `no provider is called ${one}: ${mend}` }
    })
}

function falseSamples(name: string, one: WrittenRule, classifier: Classifier, order: readonly string[]): Mistake[] {
  const [provider] = one.provider ?? []
  const [phase] = one.phase ?? []
  const ruleFor = (sample: string) => classifier.classify(readResponse(sample, { phase, provider })).rule?.name
  const path = ['responses', name]
  const isBefore = (rule: string) => order.indexOf(rule) < order.indexOf(name)
  return [
    ...one.is.flatMap((sample, place): Mistake[] => {
      const rule = ruleFor(sample)
      if (rule === name) return []
      const message =
        rule === undefined
          ? 'is not of this rule'
          : isBefore(rule)
            ? `is of the rule ${rule}, which is asked before`
            : `is not of this rule, but of the rule ${rule}`
      return [{ path: [...path, 'is', place], at: 'value', message }]
    }),
    ...(one.is_not ?? []).flatMap((sample, place): Mistake[] =>
      ruleFor(sample) === name ? [{ path: [...path, 'is_not', place], at: 'value', message: 'is of this rule' }] : [],
    ),
  ]
}
