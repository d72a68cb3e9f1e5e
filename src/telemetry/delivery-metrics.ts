import type { Registry } from 'prom-client'
import type { AttemptEvent } from './events'
import { resultOfAttempt } from './result'
import { DurationHistogram, JoinedReading, type LabelledFigure, LabelledReading, counter, head } from './series'

/** A figure of a path. Those of one provider are joined, and those without one are `other`: no label names a host. */
export interface ProviderFigure {
  readonly provider: string | undefined
  readonly value: number
}
/** A figure of a source with a provider. */
export interface SourceFigure extends ProviderFigure {
  readonly source: string
}
export interface ClassFigure extends ProviderFigure {
  readonly mailClass: string
}

/** What is on its way out at the moment, by whoever keeps it. */
export interface EgressReadings {
  /** Messages that wait for their path. */
  egressWaiting(): Iterable<ClassFigure>
  /** For how long the message has waited that has waited longest, since it was due, in milliseconds. */
  egressOldestMs(): Iterable<ClassFigure>
  /** Attempts under way. */
  egressUnderWay(): Iterable<ProviderFigure>
  /** Recipients that a source which warms up may have today. */
  warmupQuota(): Iterable<SourceFigure>
  /** Those that it has had. */
  warmupTaken(): Iterable<SourceFigure>
  /** Outbound sessions that are open, by their state: `busy` or `idle`. */
  egressSessions(): ReadonlyMap<string, number>
}

/** Hosts on the same network answer within the first; RFC 5321 §4.5.3.2 lets them take ten minutes. */
const ATTEMPT_BOUNDS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600]
/** No wait to speak of, up to the day after which a message is given up. */
const WAIT_BOUNDS_S = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400]

/** Figures of attempts to deliver. A provider is named as in the config; sites without one are `other`. */
export function attemptReader(registry: Registry): (event: AttemptEvent) => void {
  const recipients = counter('delivery_recipients_total', 'Recipients of attempts to deliver, by what became of them', [
    'provider',
    'class',
    'result',
  ]).register(registry)
  const sessions = counter('delivery_sessions_total', 'Attempts by their session: new, reused, or none to be had', [
    'provider',
    'session',
  ]).register(registry)
  const tls = counter(
    'delivery_tls_total',
    'Attempts with a session, by its TLS, and whether the host proved its name',
    ['provider', 'tls', 'verified'],
  ).register(registry)
  const failures = counter('delivery_failures_total', 'Attempts that did not deliver all, by why', [
    'provider',
    'failure',
  ]).register(registry)
  const answers = counter('delivery_answers_total', 'Answers that put off or refused, by what they are about', [
    'provider',
    'about',
  ]).register(registry)
  const histogram = (name: string, help: string, bounds: readonly number[]) =>
    new DurationHistogram({ name: `sluice_${name}`, help }, 'provider', 'any', bounds).register(registry)
  const durations = histogram('delivery_seconds', 'How long attempts to deliver took', ATTEMPT_BOUNDS_S)
  const waits = histogram(
    'delivery_wait_seconds',
    'How long messages that were due waited for their path',
    WAIT_BOUNDS_S,
  )

  return (event) => {
    const provider = providerLabel(event.provider)
    const mailClass = classLabel(event.mailClass)
    for (const result of ['delivered', 'deferred', 'bounced'] as const) {
      if (event[result] > 0) recipients.cell(provider, mailClass, result).value += event[result]
    }
    sessions.cell(provider, event.session ?? 'none').value++
    if (event.session !== undefined) tls.cell(provider, tlsLabel(event.tls), event.verified ? 'yes' : 'no').value++
    if (resultOfAttempt(event) !== 'delivered') failures.cell(provider, failureLabel(event)).value++
    if (event.about !== undefined) answers.cell(provider, aboutLabel(event.about)).value++
    durations.observe(provider, event.tookMs / 1000)
    waits.observe(provider, event.waitedMs / 1000)
  }
}

export function registerEgressReadings(registry: Registry, readings: Partial<EgressReadings>): void {
  const joined = (name: string, help: string, how: 'sum' | 'max', labels: string[], read: () => LabelledFigure[]) =>
    new JoinedReading(head(name, help, 'gauge', how), labels, read).register(registry)
  const classes = ['provider', 'class']
  joined('egress_waiting', 'Messages that wait for their path', 'sum', classes, () =>
    byClass(readings.egressWaiting?.() ?? []),
  )
  // Of all processes, the message that has waited longest.
  joined('egress_oldest_seconds', 'How long the message has waited that has waited longest', 'max', classes, () =>
    byClass(readings.egressOldestMs?.() ?? []).map(([labels, ms]) => [labels, ms / 1000]),
  )
  joined('egress_under_way', 'Attempts to deliver that are under way', 'sum', ['provider'], () =>
    [...(readings.egressUnderWay?.() ?? [])].map(({ provider, value }) => [[providerLabel(provider)], value]),
  )
  // The store counts for all, and each process knows what it last heard.
  const sources = ['source', 'provider']
  joined('warmup_quota', 'Recipients that a source which warms up may have today', 'max', sources, () =>
    bySource(readings.warmupQuota?.() ?? []),
  )
  joined('warmup_taken', 'Recipients that a source which warms up has had today', 'max', sources, () =>
    bySource(readings.warmupTaken?.() ?? []),
  )
  const sessions = head('egress_sessions', 'Outbound sessions open at the moment', 'gauge', 'sum')
  new LabelledReading(sessions, 'state', () => readings.egressSessions?.() ?? new Map()).register(registry)
}

function byClass(figures: Iterable<ClassFigure>): LabelledFigure[] {
  return [...figures].map(({ provider, mailClass, value }) => [[providerLabel(provider), classLabel(mailClass)], value])
}

function bySource(figures: Iterable<SourceFigure>): LabelledFigure[] {
  return [...figures].map(({ source, provider, value }) => [[source, providerLabel(provider)], value])
}

function providerLabel(provider: string | undefined): string {
  return provider ?? 'other'
}

/** Free words in an event: a label has few. */
function classLabel(mailClass: string): string {
  return ['transactional', 'system', 'marketing'].includes(mailClass) ? mailClass : 'other'
}

function tlsLabel(version: string | undefined): string {
  if (version === undefined) return 'clear'
  return ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'].includes(version) ? version : 'other'
}

/** A class of `responses.yaml`, of which there are some twenty. */
function aboutLabel(about: string): string {
  return /^[a-z_]{1,20}$/.test(about) ? about : 'other'
}

/** `timeout`, `refused` …, or what kind of reply it was. */
function failureLabel({ failure, code }: AttemptEvent): string {
  if (failure !== undefined) return /^[a-z_]{1,20}$/.test(failure) ? failure : 'other'
  if (code >= 400 && code < 600) return code < 500 ? 'reply_4xx' : 'reply_5xx'
  return 'other'
}
