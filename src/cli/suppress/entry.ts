import { InvalidArgumentError, Option } from 'commander'
import { readDuration } from '../../config/units'
import { MOST_KEPT_MS } from '../../feedback/suppression'
import { SUPPRESSION_REASONS, type Suppression, type SuppressionReason } from '../../policy/suppression'

/** `--for TIME`, in milliseconds. */
export function forOption(): Option {
  return new Option('--for <time>', 'how long: 30d, 365d (default: as suppression.keep says)').argParser((text) => {
    const duration = readDuration(text, MOST_KEPT_MS)
    if ('value' in duration) return duration.value
    throw new InvalidArgumentError(duration.problem)
  })
}

export function reasonOption(standard?: SuppressionReason): Option {
  const option = new Option('--reason <reason>', standard === undefined ? 'only those of this reason' : 'why').choices([
    ...SUPPRESSION_REASONS,
  ])
  return standard === undefined ? option : option.default(standard)
}

export function forMachines({ since, until, ...entry }: Suppression): object {
  return { ...entry, since: new Date(since).toISOString(), until: new Date(until).toISOString() }
}
