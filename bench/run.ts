/** `npm run bench [throughput|store|flood|overload|growth …]`: prints tables and writes bench/out/results.json. */
import { benchAnswers } from './answers'
import { benchBans } from './bans'
import { benchClassify } from './classify'
import { benchFlood } from './flood'
import { benchGrowth } from './growth'
import { benchOverload } from './overload'
import { benchInbound } from './inbound'
import { benchLoop } from './loop'
import { circumstances, writeResults } from './results'
import { benchStore } from './store'
import { benchSuppress } from './suppress'
import { benchThroughput } from './throughput'
import { benchTriplets } from './triplets'
import { benchWarmup } from './warmup'

const BENCHES: Record<string, () => Promise<unknown>> = {
  throughput: benchThroughput,
  store: benchStore,
  flood: benchFlood,
  overload: benchOverload,
  bans: benchBans,
  growth: benchGrowth,
  inbound: benchInbound,
  triplets: benchTriplets,
  classify: benchClassify,
  answers: benchAnswers,
  suppress: benchSuppress,
  loop: benchLoop,
  warmup: benchWarmup,
}

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.find((name) => !(name in BENCHES))
  if (unknown !== undefined) throw new Error(`no bench "${unknown}": choose among ${Object.keys(BENCHES).join(', ')}`)
  const results: Record<string, unknown> = circumstances()
  for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) results[name] = await BENCHES[name]!()
  writeResults('results', results)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  // What a bench has started may still run and would hold this process.
  process.exit(1)
})
