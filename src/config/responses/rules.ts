import type { ResponseRule } from '../../feedback/classifier'
import type { ResponseClass, ResponseScope } from '../../feedback/response-class'
import type { ShapedFile } from '../shaped'
import { type WrittenConsequence, consequenceOf } from './consequences'
import type { WrittenResponses, WrittenRule } from './schema'

/** A file of rules, the shipped one or the operator's. */
export type ResponsesFile = ShapedFile<WrittenResponses>

/** Whom an answer of a class is about, unless the rule knows better. */
const USUAL_SCOPE: Readonly<Partial<Record<ResponseClass, ResponseScope>>> = {
  ...{ reputation: 'source', listed: 'source' },
  ...{ rate: 'path', connections: 'path', busy: 'path', dns: 'path', timeout: 'path', tls: 'path' },
  session_cap: 'session',
  ...{ recipient_rate: 'recipient', mailbox_full: 'recipient', invalid: 'recipient', disabled: 'recipient' },
  authentication: 'sender',
}

/** Whom a rule of a class is about that does not say it. */
export function scopeOf({ scope, class: about }: Pick<WrittenRule, 'scope' | 'class'>): ResponseScope {
  return scope ?? USUAL_SCOPE[about] ?? 'message'
}

/** All rules in the order in which they are asked: those of the last file first, as whoever writes one wants to be heeded. */
export function rulesOf(files: readonly ResponsesFile[]): ResponseRule[] {
  const byName = new Map<string, ResponseRule>()
  for (const { written } of [...files].reverse()) {
    for (const [name, one] of Object.entries(written.responses ?? {})) {
      if (byName.has(name) || isRemoved(name, files)) continue
      if (one !== false) byName.set(name, ruleOf(name, one, files))
    }
  }
  return [...byName.values()]
}

/** The last file that names it says false. */
function isRemoved(name: string, files: readonly ResponsesFile[]): boolean {
  const last = files.findLast(({ written }) => Object.hasOwn(written.responses ?? {}, name))
  return last?.written.responses?.[name] === false
}

/** The last file that says it. */
function ofClass(responseClass: ResponseClass, files: readonly ResponsesFile[]): readonly WrittenConsequence[] {
  return files.findLast(({ written }) => written.classes?.[responseClass])?.written.classes?.[responseClass] ?? []
}

function ruleOf(name: string, written: WrittenRule, files: readonly ResponsesFile[]): ResponseRule {
  const then = written.then ?? ofClass(written.class, files)
  const { provider, phase, code, enhanced, says, and, not = [], passing = false } = written
  return {
    name,
    ...(provider && { providers: provider }),
    ...(phase && { phases: phase }),
    ...(code && { codes: code }),
    ...(enhanced && { enhanced }),
    says: [says, and].filter((list) => list !== undefined),
    not,
    responseClass: written.class,
    scope: scopeOf(written),
    isPassing: passing,
    consequences: then.map(consequenceOf),
  }
}
