import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { LoadOrder, LoadResult } from './load'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The load generator in a process of its own. */
export class LoadProcess {
  private readonly child: ChildProcess = fork(path.join(__dirname, 'load.ts'), { execArgv: ['--import', 'tsx'] })

  async run(order: LoadOrder): Promise<LoadResult> {
    this.child.send(order)
    const [result] = (await once(this.child, 'message')) as [LoadResult]
    return result
  }

  stop(): void {
    this.child.kill()
  }
}

/**
 * The store itself, without the local share that stands in for a slow Redis: a bench must not time the stand-in. Nobody
 * is told anything; an error ends the bench.
 */
export const BARE = { onChange: () => undefined, onNotice: () => undefined, role: 'operator' } as const

/** CPU seconds that a process has used, user and system (Linux: /proc/PID/stat, in ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Loopback addresses to come from: 127.1.0.1 … */
export function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `127.1.${index >> 8}.${(index % 255) + 1}`)
}

/** A table for people; figures are already text. */
export function printTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
  console.log(`\n${title}\n${line(header)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`)
  for (const row of rows) console.log(line(row))
}
