import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** What figures depend on that no bench measures. */
export function circumstances(): Record<string, unknown> {
  return {
    node: process.version,
    cpu: `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}`,
    at: new Date().toISOString(),
  }
}

/** Writes bench/out/NAME.json. */
export function writeResults(name: string, results: Readonly<Record<string, unknown>>): void {
  const folder = path.join(__dirname, 'out')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(results, null, 2)}\n`)
  console.log(`\nwritten: bench/out/${name}.json`)
}
