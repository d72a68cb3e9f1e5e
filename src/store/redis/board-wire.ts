import type { BoardStep } from '../board'
import type { BoardEntry } from '../store'

/** What `scripts/board-1.lua` publishes. */
export interface BoardMessage {
  /** Of the change: one more than that of the change before. */
  readonly number: number
  /** Name of the call that made it. */
  readonly name: string
  readonly steps: readonly BoardStep[]
}

/** How steps travel to and from `scripts/board-1.lua`. */
export function encodeSteps(steps: readonly BoardStep[]): string[] {
  return steps.flatMap((step) => {
    if (step.kind === 'withdrawn') return ['w', step.key]
    const { key, expiresAt, text } = step.entry
    return ['p', key, String(expiresAt), text]
  })
}

/** Returns undefined for what is no message of the script. */
export function decodeMessage(message: string): BoardMessage | undefined {
  const [, number, name, list] = /^(\d+) (\S+) (\[.*\])$/s.exec(message) ?? []
  if (list === undefined) return undefined
  try {
    const steps = decodeSteps(JSON.parse(list) as unknown[])
    return steps && { number: Number(number), name: name!, steps }
  } catch {
    return undefined
  }
}

/** Reads a value of the hash. Returns undefined for what is no entry. */
export function decodeEntry(key: string, value: string): BoardEntry | undefined {
  const space = value.indexOf(' ')
  const expiresAt = Number(value.slice(0, Math.max(0, space)) || NaN)
  return Number.isFinite(expiresAt) ? { key, expiresAt, text: value.slice(space + 1) } : undefined
}

function decodeSteps(words: readonly unknown[]): BoardStep[] | undefined {
  const steps: BoardStep[] = []
  for (let at = 0; at < words.length;) {
    const [kind, key, expiresAt, text] = words.slice(at, at + 4)
    if (kind === 'w' && typeof key === 'string') {
      steps.push({ kind: 'withdrawn', key })
      at += 2
    } else if (
      kind === 'p' &&
      typeof key === 'string' &&
      typeof text === 'string' &&
      Number.isFinite(Number(expiresAt))
    ) {
      steps.push({ kind: 'posted', entry: { key, text, expiresAt: Number(expiresAt) } })
      at += 4
    } else return undefined
  }
  return steps
}
