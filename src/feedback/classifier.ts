import type { AttemptPhase } from '../policy/attempt-phase'
import type { Consequence } from './automation/consequence'
import { Phrases, plainPhrase, plainText } from './phrases'
import type { Response, ResponseClass, ResponseScope } from './response-class'

/** Says of some responses what they are about. All that is given must hold. */
export interface ResponseRule {
  readonly name: string
  /** One of these. */
  readonly providers?: readonly string[]
  readonly phases?: readonly AttemptPhase[]
  /** Codes such as `421`, or the beginning of one: `4`. */
  readonly codes?: readonly string[]
  /** Enhanced codes such as `4.7.28`, without their first part where it may be either (`.7.28`), or all that begin so (`5.1.`). */
  readonly enhanced?: readonly string[]
  /** Of each list the text says at least one. */
  readonly says: readonly (readonly string[])[]
  /** It says none of these. */
  readonly not: readonly string[]
  readonly responseClass: ResponseClass
  readonly scope: ResponseScope
  /** It will be over: also what was answered with 5xx is tried again. */
  readonly isPassing: boolean
  /** What it sets off. */
  readonly consequences: readonly Consequence[]
}

export interface Classified {
  readonly responseClass: ResponseClass
  readonly scope: ResponseScope
  /** There is no use in trying the message again. */
  readonly isFinal: boolean
  /** Nor in writing there at all: there is nobody, or nobody who reads. */
  readonly isHard: boolean
  /** Undefined when no rule knows it. */
  readonly rule: ResponseRule | undefined
}

const NOBODY: ReadonlySet<ResponseClass> = new Set(['invalid', 'disabled'])
/** Before any recipient was named: `550 unknown user` there is about the sender, or about us. */
const BEFORE_RECIPIENTS: ReadonlySet<AttemptPhase> = new Set([
  ...(['connect', 'greeting', 'hello', 'starttls', 'auth', 'mail'] as const),
])

/** A rule with its phrases as numbers. */
interface Compiled {
  readonly rule: ResponseRule
  readonly says: readonly (readonly number[])[]
  readonly not: readonly number[]
}

/** The first rule that fits says what a response is about. Its time grows with the text, and with the rules that it names. */
export class Classifier {
  private readonly phrases: Phrases
  private readonly rules: readonly Compiled[]
  /** Rules that need a phrase of their first list, by phrase. */
  private readonly byPhrase: readonly (readonly number[])[]
  /** Rules that need no text. */
  private readonly textless: readonly number[]
  private readonly byName: ReadonlyMap<string, ResponseRule>
  /** Consequences that are set off by a share of all recipients: one of each kind, whoever they are counted for. */
  readonly sharesWanted: readonly Consequence[]
  /** Names of rules that count before they do something. */
  readonly counting: readonly string[]

  /** Throws a RangeError for a phrase without a word. */
  constructor(rules: readonly ResponseRule[]) {
    const numbers = new Map<string, number>()
    const numberOf = (phrase: string) => {
      const plain = plainPhrase(phrase)
      if (plain === undefined) throw new RangeError(`"${phrase}" has no word`)
      const number = numbers.get(plain) ?? numbers.size
      numbers.set(plain, number)
      return number
    }
    this.rules = rules.map((rule) => ({
      rule,
      says: rule.says.map((any) => any.map(numberOf)),
      not: rule.not.map(numberOf),
    }))
    this.byName = new Map(rules.map((rule) => [rule.name, rule]))
    this.sharesWanted = sharesIn(rules)
    const counts = ({ trigger }: Consequence) => trigger.kind !== 'immediate'
    this.counting = rules.filter(({ consequences }) => consequences.some(counts)).map(({ name }) => name)
    this.phrases = new Phrases([...numbers.keys()])
    const byPhrase: number[][] = Array.from(numbers, () => [])
    for (const [index, { says }] of this.rules.entries())
      for (const phrase of says[0] ?? []) byPhrase[phrase]!.push(index)
    this.byPhrase = byPhrase
    this.textless = this.rules.flatMap(({ says }, index) => (says.length === 0 ? [index] : []))
  }

  classify(response: Response): Classified {
    const rule = this.ruleFor(response)
    const isRefusal = response.code >= 500 || (response.code === 0 && response.enhanced?.startsWith('5.') === true)
    const responseClass = rule?.responseClass ?? 'unknown'
    const isFinal = isRefusal && rule?.isPassing !== true
    return {
      responseClass,
      scope: rule?.scope ?? 'message',
      isFinal,
      isHard: isFinal && saysNobody(responseClass) && !isBeforeRecipients(response.phase),
      rule,
    }
  }

  /** A rule in force. */
  ruleNamed(name: string): ResponseRule | undefined {
    return this.byName.get(name)
  }

  private ruleFor(response: Response): ResponseRule | undefined {
    const candidates: number[] = []
    const { byPhrase } = this
    this.phrases.find(plainText(response.text), (phrase) => {
      for (const index of byPhrase[phrase]!) candidates.push(index)
    })
    let first = Infinity
    for (const index of candidates) if (index < first && this.fits(this.rules[index]!, response)) first = index
    // Most of them are asked last: here after what is known by words, and no further than that.
    for (const index of this.textless) {
      if (index > first) break
      if (this.fits(this.rules[index]!, response)) first = index
    }
    return this.rules[first]?.rule
  }

  private fits({ rule, says, not }: Compiled, response: Response): boolean {
    const { phrases } = this
    return (
      isOneOf(rule.providers, response.provider) &&
      isOneOf(rule.phases, response.phase) &&
      fitsCode(rule.codes, response.code) &&
      fitsEnhanced(rule.enhanced, response.enhanced) &&
      says.every((any) => any.some((phrase) => phrases.has(phrase))) &&
      !not.some((phrase) => phrases.has(phrase))
    )
  }
}

/** Whether a class says that there is nobody, or nobody who reads. */
export function saysNobody(responseClass: ResponseClass): boolean {
  return NOBODY.has(responseClass)
}

function isBeforeRecipients(phase: AttemptPhase | undefined): boolean {
  return phase !== undefined && BEFORE_RECIPIENTS.has(phase)
}

function sharesIn(rules: readonly ResponseRule[]): Consequence[] {
  const wanted = new Map<string, Consequence>()
  for (const consequence of rules.flatMap(({ consequences }) => consequences)) {
    const { trigger } = consequence
    if (trigger.kind !== 'share') continue
    const of = 'of' in consequence ? consequence.of : 'path'
    wanted.set(`${of} ${trigger.windowMs}`, consequence)
  }
  return [...wanted.values()]
}

function isOneOf<Value>(wanted: readonly Value[] | undefined, value: Value | undefined): boolean {
  return wanted === undefined || (value !== undefined && wanted.includes(value))
}

function fitsCode(wanted: readonly string[] | undefined, code: number): boolean {
  return wanted === undefined || wanted.some((digits) => String(code).startsWith(digits))
}

function fitsEnhanced(wanted: readonly string[] | undefined, code: string | undefined): boolean {
  if (wanted === undefined) return true
  if (code === undefined) return false
  return wanted.some((one) => {
    const compared = one.startsWith('.') ? code.slice(code.indexOf('.')) : code
    return one.length > 1 && one.endsWith('.') ? compared.startsWith(one) : compared === one
  })
}
