import type { HarakaServer } from '../test/support/haraka'
import type { LoadOrder, LoadResult } from './load'
import { type LoadProcess, cpuSeconds, median, printTable } from './measure'

export interface Turns {
  readonly name: string
  readonly rates: number[]
  readonly cpuMs: number[]
}

export interface Figure {
  readonly name: string
  readonly perSecond: number
  /** Median of the ratios of each burst to that of the first server in the same round. */
  readonly ratio: number
  readonly cpuMs: number
}

export interface TurnOptions {
  readonly rounds: number
  readonly warmUp: (name: string) => LoadOrder
  readonly burst: (name: string) => LoadOrder
  /** What counts: messages taken, or connections turned away. */
  readonly counted: (name: string, result: LoadResult) => number
  /** Called around every burst that counts, to read what else is measured. */
  readonly around?: (name: string, burst: () => Promise<LoadResult>) => Promise<LoadResult>
}

/**
 * Servers that run side by side take turns in short bursts: the speed of a shared machine drifts by a fifth within a
 * minute, the ratio of two bursts that follow each other does not.
 */
export async function takeTurns(
  servers: ReadonlyMap<string, HarakaServer>,
  load: LoadProcess,
  { rounds, warmUp, burst, counted, around = (_, run) => run() }: TurnOptions,
): Promise<Turns[]> {
  const turns: Turns[] = [...servers.keys()].map((name) => ({ name, rates: [], cpuMs: [] }))
  for (const { name } of turns) counted(name, await load.run(warmUp(name)))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < turns.length; turn++) {
      const { name, rates, cpuMs } = turns[(turn + round) % turns.length]!
      const { pid } = servers.get(name)!.child
      const before = cpuSeconds(pid!)
      const result = await around(name, () => load.run(burst(name)))
      const count = counted(name, result)
      rates.push(count / result.seconds)
      cpuMs.push(((cpuSeconds(pid!) - before) / count) * 1000)
    }
  }
  return turns
}

/** Medians; the first of the servers is what the others are held against. */
export function figuresOf(turns: readonly Turns[]): Figure[] {
  const { rates: first } = turns[0]!
  return turns.map(({ name, rates, cpuMs }) => ({
    name,
    perSecond: median(rates),
    ratio: median(rates.map((rate, round) => rate / first[round]!)),
    cpuMs: median(cpuMs),
  }))
}

export function printFigures(title: string, what: string, figures: readonly Figure[]): void {
  printTable(
    title,
    ['server', `${what}s/s`, `of ${figures[0]!.name}`, `CPU ms/${what}`],
    figures.map((f) => [f.name, f.perSecond.toFixed(0), f.ratio.toFixed(2), f.cpuMs.toFixed(3)]),
  )
}
