import { styleText } from 'node:util'
import { InvalidArgumentError } from 'commander'

/** A failure that the user can mend: `message` is printed as it is. `exitCode` 1: a problem was found, 2: wrong usage. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
    this.name = 'CliError'
  }
}

let watchesPipe = false

/** Data, to stdout. */
export function print(line: string): void {
  if (!watchesPipe) {
    watchesPipe = true
    process.stdout.on('error', endWithPipe)
  }
  process.stdout.write(line + '\n')
}

/** `sluice limits top | head -1`: a reader that has seen enough is no error. */
function endWithPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2))
}

/** Talk, to stderr. */
export function say(line: string): void {
  process.stderr.write(line + '\n')
}

export type Colour = 'green' | 'yellow' | 'red' | 'dim'

/** Colours what goes to stdout, when a person reads it there and NO_COLOR (no-color.org) is not set. */
export function paint(colour: Colour, text: string): string {
  const wanted = process.stdout.isTTY && (process.env.NO_COLOR ?? '') === ''
  return wanted ? styleText(colour, text) : text
}

/** Lines with aligned columns, the last one left as long as it is. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)))
  return rows.map((row) =>
    row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index]!))).join('  '),
  )
}

/** `1500` → `1.5 s`, `90000` → `1.5 min`: for people; two digits at most. */
export function humanTime(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const
  const [name, size] = units.find(([, least]) => ms >= least) ?? ['ms', 1]
  return `${Number((ms / size).toFixed(1))} ${name}`
}

/** Reads `--most <n>`. */
export function readMost(text: string): number {
  const most = Number(text)
  if (Number.isInteger(most) && most >= 1) return most
  throw new InvalidArgumentError('write a number of at least 1.')
}
