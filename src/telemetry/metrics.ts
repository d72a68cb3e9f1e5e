import { type Aggregator, Registry, collectDefaultMetrics } from 'prom-client'
import { STAGES, type Stage } from '../policy/subject'
import { type EgressReadings, attemptReader, registerEgressReadings } from './delivery-metrics'
import { feedbackReader } from './feedback-metrics'
import type { JudgedEvent, Reader } from './events'
import { type Result, resultOf } from './result'
import { DurationHistogram, LabelledReading, Reading, type Sample, Series, counter, head } from './series'

/** Figures that no event carries: whoever keeps one says how to read it. */
export interface Readings {
  /** Clients that a `delay` holds at the moment. */
  tarpitWaiting(): number
  /** Load level, 0 to 4. */
  loadLevel(): number
  /** Sessions open at the moment. */
  sessionsOpen(): number
  /** Bans in force, as this process knows them. */
  bansInForce(): number
  /** Batches answered without the store because their key is known to be exhausted, since the start. */
  exhaustedHits(): number
  /** Batches that went to the store, since the start. */
  storeBatches(): number
  /** Events that some reader of the stream threw on, since the start. */
  readerFailures(): number
  /** Judged stages that the decision log could not keep, since the start. */
  decisionsUnrecorded(): number
  /** Attempts to deliver that the delivery log could not keep, since the start. */
  deliveriesUnrecorded(): number
  /** Refused connections that the decision log has left out, since the start. */
  refusalsPassedOver(): number
}

/** The same with one label, by its value. */
export interface LabelledReadings {
  /** Questions to DNS since the start, by what came of them. */
  dnsLookups(): ReadonlyMap<string, number>
  /** 1 for each DNS list that is well, 0 for one that is ill. */
  dnsZones(): ReadonlyMap<string, number>
  /** Addresses that we send from, by the DNS list that they are on. */
  ownListed(): ReadonlyMap<string, number>
  /** Each signal of the load as a share of its threshold. */
  loadPressures(): ReadonlyMap<string, number>
}

/** All figures that others keep. */
export type AllReadings = Readings & LabelledReadings & EgressReadings

export interface Metrics {
  readonly reader: Reader
  readonly registry: Registry
  /** Names the source of some readings; what has none stays 0. */
  watch(readings: Partial<AllReadings>): void
}

export interface MetricsOptions {
  /** Version of the suite, for `sluice_build_info`. */
  readonly version: string
  /** Also the usual `process_*` and `nodejs_*` metrics; default true. */
  readonly processMetrics?: boolean
}

/** 50 µs to 5 s: an embedded store answers within the first, Redis on the same network within the fifth. */
const JUDGE_BOUNDS_S = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
]

/** Prometheus metrics as a reader of the stream. No label ever holds an address, a domain or an account. */
export function createMetrics({ version, processMetrics = true }: MetricsOptions): Metrics {
  const registry = new Registry()
  const readings: Partial<AllReadings> = {}
  if (processMetrics) collectDefaultMetrics({ register: registry })
  const build = gauge('build_info', 'Version of Sluice and of Node; always 1', ['version', 'node'], 'first')
  build.register(registry).cell(version, process.versions.node).value = 1
  registerReadings(registry, readings)
  registerEgressReadings(registry, readings)
  return { reader: makeReader(registry), registry, watch: (given) => void Object.assign(readings, given) }
}

function makeReader(registry: Registry): Reader {
  const judged = judgedReader(registry)
  const attempted = attemptReader(registry)
  const fedBack = feedbackReader(registry)
  const storeUp = gauge('store_up', '1 while the shared store answers', [], 'min').register(registry).cell()
  storeUp.value = 1
  const lost = counter('store_lost_total', 'Times the shared store was lost').register(registry).cell()
  const guards = counter('guard_failures_total', 'What failed or ran out of time; nothing was refused for it', [
    'plugin',
    'hook',
    'failure',
  ]).register(registry)
  const reloads = counter('config_reloads_total', 'Configurations read', ['result']).register(registry)
  const [taken, refused] = [reloads.cell('accepted'), reloads.cell('refused')]
  const probes = counter('probes_total', 'Commands refused because they probe for addresses', ['command'])
  probes.register(registry)
  for (const command of ['VRFY', 'EXPN']) probes.cell(command)
  const bans = counter('bans_total', 'Bans made by this process', ['origin']).register(registry)
  const orders = counter('orders_total', 'What this process has ordered for paths and senders', ['origin', 'mode'])
  orders.register(registry)
  const unbans = counter('unbans_total', 'Bans lifted by this process').register(registry).cell()
  const zoneIllnesses = counter('dns_zone_illnesses_total', 'Times a DNS list fell ill', ['zone', 'illness'])
  zoneIllnesses.register(registry)
  const offences = counter('offences_total', 'What clients did wrong, by what it was', ['offence']).register(registry)
  const suppressed = counter(
    'suppressed_recipients_total',
    'Recipients of messages that were discarded, or in shadow sent all the same',
    ['what'],
  ).register(registry)
  for (const what of ['discarded', 'spared']) suppressed.cell(what)
  const steps = counter(
    'sender_steps_total',
    'Senders slowed down, paused or let go again for what is said of their mail',
    [...['step', 'of', 'fault', 'mode']],
  ).register(registry)
  const listings = counter('own_listings_total', 'Times an address that we send from came on a DNS list')
  const listed = listings.register(registry).cell()
  const notices = counter('notices_total', 'Notices to the operator, each also in the log').register(registry).cell()

  return (event) => {
    switch (event.kind) {
      case 'judged':
        return judged(event)
      case 'store':
        storeUp.value = event.state === 'lost' ? 0 : 1
        if (event.state === 'lost') lost.value++
        return
      case 'config':
        if (event.accepted) taken.value++
        else refused.value++
        return
      case 'load':
        // The level itself is read when somebody scrapes.
        return
      case 'guard':
        guards.cell(event.plugin, event.hook, event.failure).value++
        return
      case 'probe':
        probes.cell(event.command).value++
        return
      case 'order':
        orders.cell(orderLabel(event.origin), event.mode).value++
        return
      case 'ban':
        bans.cell(originLabel(event.ban.origin)).value++
        return
      case 'unban':
        unbans.value++
        return
      case 'zone':
        if (event.to !== 'well') zoneIllnesses.cell(event.label, event.to).value++
        return
      case 'offence':
        offences.cell(event.offence).value++
        return
      case 'attempt':
        return attempted(event)
      case 'feedback':
        return fedBack(event)
      case 'suppressed':
        suppressed.cell(event.what).value += event.count
        return
      case 'sender':
        steps.cell(event.step, event.of, event.fault, event.mode).value++
        return
      case 'listed':
        if (event.lists.length > 0) listed.value++
        return
      case 'notice':
        notices.value++
        return
    }
  }
}

/** Origins are free words: a label has few. */
function originLabel(origin: string): string {
  return ['jail', 'dnsbl', 'operator', 'fail2ban', 'fail2ban-recidive', 'crowdsec'].includes(origin) ? origin : 'other'
}

function orderLabel(origin: string): string {
  return ['operator', 'controller', 'breaker', 'rule', 'blame', 'guard'].includes(origin) ? origin : 'other'
}

/** The hot one: told of every stage of every session. */
function judgedReader(registry: Registry): (event: JudgedEvent) => void {
  const stages = counter('stages_total', 'Judged stages by what came of them', ['stage', 'result']).register(registry)
  const cells = Object.fromEntries(STAGES.map((stage) => [stage, resultCells(stages, stage)])) as Record<
    Stage,
    Record<Result, Sample>
  >
  const decisions = counter('decisions_total', 'Limits found exceeded, shadow included, by what was done', [
    'stage',
    'rule',
    'mode',
    'action',
  ]).register(registry)
  const exemptions = counter('exemptions_total', 'Times a rule did not apply to an exempt client', ['rule'])
  exemptions.register(registry)
  const degraded = counter('degraded_total', 'Stages judged by the local share because the shared store was lost')
  const degradedCell = degraded.register(registry).cell()
  const shed = counter('shed_total', 'New clients deferred because the server was overloaded', ['kind'])
  shed.register(registry)
  const [strangers, partners] = [shed.cell('stranger'), shed.cell('partner')]
  const head = { name: 'sluice_judge_seconds', help: 'Time to judge a stage, the wait for the store included' }
  const durations = new DurationHistogram(head, 'stage', STAGES, JUDGE_BOUNDS_S).register(registry)

  return ({ outcome, tookMs }) => {
    const { stage } = outcome.subject
    cells[stage][resultOf(outcome)].value++
    durations.observe(stage, tookMs / 1000)
    if (outcome.degraded) degradedCell.value++
    for (const { rule, action, reason } of outcome.decisions) {
      decisions.cell(stage, rule.name, rule.mode.kind, action).value++
      if (reason === 'overload' && action === 'defer') (outcome.subject.familiar ? partners : strangers).value++
    }
    for (const { rule } of outcome.exemptions) exemptions.cell(rule).value++
  }
}

function resultCells(stages: Series, stage: Stage): Record<Result, Sample> {
  const cell = (result: Result) => stages.cell(stage, result)
  return {
    accept: cell('accept'),
    drop: cell('drop'),
    delay: cell('delay'),
    defer: cell('defer'),
    reject: cell('reject'),
  }
}

function registerReadings(registry: Registry, readings: Partial<AllReadings>): void {
  const add = (type: 'counter' | 'gauge', name: string, help: string, source: keyof Readings) =>
    new Reading(head(name, help, type, 'sum'), () => readings[source]?.() ?? 0).register(registry)
  add('gauge', 'tarpit_waiting', 'Clients held by a delay at the moment', 'tarpitWaiting')
  add('gauge', 'sessions_open', 'Sessions open at the moment', 'sessionsOpen')
  add('counter', 'exhausted_hits_total', 'Batches answered without a trip to the store', 'exhaustedHits')
  add('counter', 'store_batches_total', 'Batches that went to the store', 'storeBatches')
  add('counter', 'reader_failures_total', 'Events that a reader of the stream threw on', 'readerFailures')
  add('counter', 'decisions_unrecorded_total', 'Stages that the decision log could not keep', 'decisionsUnrecorded')
  add('counter', 'deliveries_unrecorded_total', 'Attempts that the delivery log could not keep', 'deliveriesUnrecorded')
  add('counter', 'refusals_passed_over_total', 'Refused connections left out of the decision log', 'refusalsPassedOver')
  // Every worker holds the whole list.
  const bans = head('bans', 'Entries of the block list, which all processes share', 'gauge', 'max')
  new Reading(bans, () => readings.bansInForce?.() ?? 0).register(registry)
  const lookups = head('dns_lookups_total', 'Questions to DNS by what came of them', 'counter', 'sum')
  new LabelledReading(lookups, 'result', () => readings.dnsLookups?.() ?? NOTHING).register(registry)
  const zones = head('dns_zone_up', '1 while a DNS list answers its probes right', 'gauge', 'min')
  new LabelledReading(zones, 'zone', () => readings.dnsZones?.() ?? NOTHING).register(registry)
  // All know the same.
  const own = head('own_addresses_listed', 'Addresses that we send from which are on a DNS list', 'gauge', 'max')
  new LabelledReading(own, 'list', () => readings.ownListed?.() ?? NOTHING).register(registry)
  // Of the workers of a host, the one that is worst off.
  const level = head(
    'load_level',
    'Load level: from 1 strangers wait, from 2 some are deferred, from 3 all',
    'gauge',
    'max',
  )
  new Reading(level, () => readings.loadLevel?.() ?? 0).register(registry)
  const pressures = head(
    'load_pressure',
    'What the load level comes of, each as a share of its threshold',
    'gauge',
    'max',
  )
  new LabelledReading(pressures, 'of', () => readings.loadPressures?.() ?? NOTHING).register(registry)
}

const NOTHING: ReadonlyMap<string, number> = new Map()

function gauge(name: string, help: string, labelNames: readonly string[], aggregator: Aggregator): Series {
  return new Series(head(name, help, 'gauge', aggregator), labelNames)
}
