import type { EgressFigures, EgressLayer, LayerKind, OptionalFigure } from '../../../src/egress/profile'
import { ProviderIndex } from '../../../src/egress/providers'
import type { EgressRules } from '../../../src/egress/rules'

/** A complete default. */
export const BASE_FIGURES: EgressFigures = {
  connections: 10,
  message_rate: { limit: 100, windowMs: 1000 },
  connection_rate: { limit: 100, windowMs: 60_000 },
  recipients: 100,
  size: 10_000_000,
  sessions: 'on',
  'sessions.messages': 100,
  'sessions.idle': 5000,
  tls: 'opportunistic',
  'tls.min_version': 'TLSv1.2',
  'retry.first': 60_000,
  'retry.factor': 2,
  'retry.longest': 3_600_000,
  'retry.jitter': 0.2,
  'timeouts.connect': 1000,
  'timeouts.greeting': 2000,
  'timeouts.ehlo': 3000,
  'timeouts.starttls': 4000,
  'timeouts.mail': 5000,
  'timeouts.rcpt': 6000,
  'timeouts.data': 7000,
  'timeouts.dot': 8000,
}

export function layer(
  kind: LayerKind,
  name: string,
  figures: Partial<EgressFigures>,
  unset: readonly OptionalFigure[] = [],
): EgressLayer {
  const named = [...Object.keys(figures), ...unset] as (keyof EgressFigures)[]
  return { kind, name, figures, unset, origins: new Map(named.map((figure) => [figure, { place: `${kind}:1` }])) }
}

export const BASE = layer('default', '', BASE_FIGURES)

/** Rules that say nothing but the default. */
export const RULES: EgressRules = {
  base: BASE,
  providers: new Map(),
  index: new ProviderIndex([]),
  sites: new Map(),
  domains: new Map(),
  sources: new Map(),
}
