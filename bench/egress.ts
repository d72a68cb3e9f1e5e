/** `npm run bench:egress [-- sessions|postfix|load|workers …]`: prints tables and writes bench/out/egress.json. */
import { benchLoad } from './egress-load'
import { benchSessions } from './egress-sessions'
import { benchWorkers } from './egress-workers'
import { circumstances, writeResults } from './results'

/** 1 is the size that docs/benchmarks.md tells of; less is for trying out. */
const SCALE = Number(process.env.SCALE ?? 1)
const PARTS = ['sessions', 'postfix', 'load', 'workers']

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.find((name) => !PARTS.includes(name))
  if (unknown !== undefined) throw new Error(`no part "${unknown}": choose among ${PARTS.join(', ')}`)
  const has = (part: string) => wanted.length === 0 || wanted.includes(part)
  const size = (full: number) => Math.max(1, Math.ceil(full * SCALE))
  const results: Record<string, unknown> = { ...circumstances(), scale: SCALE }
  if (has('sessions') || has('postfix')) {
    results.sessions = await benchSessions(size(2000), { stock: has('sessions'), postfix: has('postfix') })
  }
  if (has('load')) results.load = await benchLoad({ queued: size(100_000), fast: size(2000), seconds: size(180) })
  if (has('workers')) results.workers = await benchWorkers(size(60))
  writeResults('egress', results)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  // What a bench has started may still run and would hold this process.
  process.exit(1)
})
