import { Command } from 'commander'
import { type Common, common } from './directory'
import { withStore } from './open'
import { print, printJson, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice store ping
  sluice store ping --dir /etc/haraka --json`

/** `sluice store ping`: whether the store answers, how fast, and how much it holds. */
export function storeCommand(): Command {
  const command = new Command('store').description('the store that holds the counters').addHelpText('after', EXAMPLES)
  command.addCommand(
    common(new Command('ping').description('ask the store whether it is well; exit code 1 when it is not')).action(
      ping,
    ),
  )
  return command
}

async function ping({ dir, json }: Common): Promise<void> {
  await withStore(dir, async (store) => {
    const { kind, latencyMs, clockSkewMs, keys, detail } = await store.ping()
    if (json) return printJson({ kind, latencyMs, clockSkewMs, keys, detail })
    const rows = [
      ['store', kind],
      ['latency', `${latencyMs.toFixed(2)} ms`],
      ['clock', `${clockSkewMs >= 0 ? '+' : ''}${Math.round(clockSkewMs)} ms against this host`],
      ['keys', String(keys)],
      ...Object.entries(detail).map(([name, value]) => [name, String(value)]),
    ]
    for (const line of table(rows)) print(line)
  })
}
