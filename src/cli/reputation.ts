import { Command } from 'commander'
import { bearersOf, meritAsk } from '../gates/reputation/merits'
import { type Bearer, LEAST_SAMPLES, reputationOf } from '../gates/reputation/reputation'
import { parseIp } from '../keys/address'
import { organisationalDomain } from '../keys/mailbox'
import { type FindAsn, asnFinder } from '../config/asn'
import type { Policy } from '../config/compile'
import type { Store } from '../store/store'
import { type Common, common } from './directory'
import { withStore } from './open'
import { CliError, print, printJson, say, table } from './terminal'

const EXAMPLES = `
Examples:
  sluice reputation show 192.0.2.7
  sluice reputation show example.com --json
  sluice reputation forget 192.0.2.7`

/** `sluice reputation show|forget`: what is remembered of how somebody behaved. */
export function reputationCommand(): Command {
  const command = new Command('reputation')
    .description('how clients have behaved so far')
    .addHelpText('after', EXAMPLES)
  const who = 'an IP address, a domain that SPF proves, or a provider such as as64500'
  command.addCommand(
    common(new Command('show').description('what is remembered, and what it leads to'))
      .argument('<who>', who)
      .action(show),
  )
  command.addCommand(
    common(new Command('forget').description('forget it: a new beginning'))
      .argument('<who>', who)
      .option('--dry-run', 'say what would be forgotten')
      .action(forget),
  )
  return command
}

async function show(who: string, { dir, json }: Common): Promise<void> {
  await withStore(dir, async (store, policy) => {
    const merits = await readMerits(store, policy, namesOf(who, asnFinder(policy, dir, say)))
    const { score, factor } = reputationOf(merits)
    if (json) return printJson({ who, score, factor, merits })
    print(
      `${who}: ${wordFor(score)} (${score}); its limits are multiplied by ${Number(factor.toFixed(2))} once reputation enforces`,
    )
    const rows = merits.map(({ name, of, samples, mean }) => [name, of, samplesText(samples), String(mean)])
    for (const line of table([['WHOSE', 'NAME', 'SESSIONS', 'MEAN'], ...rows])) print(line)
  })
}

async function forget(who: string, { dir, json, dryRun }: Common & { readonly dryRun?: true }): Promise<void> {
  await withStore(dir, async (store, { reputation }) => {
    // Only his own: neighbours have earned theirs.
    const keys = namesOf(who)
      .slice(0, 1)
      .map(([bearer, name]) => meritAsk(bearer, name, reputation).key)
    const forgotten = dryRun ? 0 : await store.reset(keys)
    if (json) return printJson({ dryRun: dryRun === true, keys, forgotten })
    print(
      dryRun
        ? `would forget ${keys.join(' ')}`
        : forgotten > 0
          ? `forgot ${keys.join(' ')}`
          : `nothing is remembered of ${who}`,
    )
  })
}

async function readMerits(store: Store, { reputation }: Policy, names: readonly [Bearer, string][]) {
  const { answers } = await store.judge(names.map(([bearer, name]) => meritAsk(bearer, name, reputation)))
  return names.map(([name, of], index) => ({
    name,
    of,
    samples: answers[index]!.count,
    mean: answers[index]!.mean ?? 0,
  }))
}

function namesOf(who: string, findAsn: FindAsn = () => undefined): [Bearer, string][] {
  const address = parseIp(who)
  if (address) return bearersOf({ ip: who, address, asn: findAsn(who), trusted: false })
  const text = who.toLowerCase()
  if (/^as\d{1,10}$/.test(text)) return [['asn', text]]
  if (/^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/.test(text)) return [['domain', organisationalDomain(text)]]
  throw new CliError(`"${who}" has no reputation: write an IP address, a domain or a provider such as as64500`)
}

function wordFor(score: number): string {
  if (score === 0) return 'unknown'
  return `${Math.abs(score) < 0.3 ? 'somewhat ' : ''}${score > 0 ? 'good' : 'bad'}`
}

function samplesText(samples: number): string {
  return samples < LEAST_SAMPLES ? `${samples} (too few to say anything)` : String(samples)
}
