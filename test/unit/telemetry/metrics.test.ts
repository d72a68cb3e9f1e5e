import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import { type Metrics, createMetrics } from '../../../src/telemetry/metrics'
import { DurationHistogram, MOST_CELLS, Series } from '../../../src/telemetry/series'
import type { TelemetryEvent } from '../../../src/telemetry/events'
import { AT, attempt, decision, judged, rule, shadowed, subject, unreached } from './fixtures'

/** Samples of the text format by name and labels. */
async function samplesOf({ registry }: Pick<Metrics, 'registry'>): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

async function after(events: readonly TelemetryEvent[]): Promise<Map<string, number>> {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: false })
  for (const event of events) metrics.reader(event)
  return samplesOf(metrics)
}

describe('metrics', () => {
  it('counts stages by result, decisions and exemptions', async () => {
    const samples = await after([
      judged(),
      judged({ decisions: [shadowed] }),
      judged({ decisions: [shadowed, decision()], degraded: true }),
      judged({ exemptions: [{ rule: 'client', because: 'trusted network' }], subject: subject({ stage: 'connect' }) }),
    ])
    assert.equal(samples.get('sluice_stages_total{stage="mail",result="accept"}'), 2)
    assert.equal(samples.get('sluice_stages_total{stage="mail",result="defer"}'), 1)
    assert.equal(samples.get('sluice_stages_total{stage="connect",result="accept"}'), 1)
    assert.equal(samples.get('sluice_stages_total{stage="data_post",result="reject"}'), 0)
    const sender = 'stage="mail",rule="sender"'
    assert.equal(samples.get(`sluice_decisions_total{${sender},mode="shadow",action="accept"}`), 2)
    assert.equal(samples.get(`sluice_decisions_total{${sender},mode="enforce",action="defer"}`), 1)
    assert.equal(samples.get('sluice_exemptions_total{rule="client"}'), 1)
    assert.equal(samples.get('sluice_degraded_total'), 1)
  })

  it('measures judging in seconds, in cumulative buckets', async () => {
    const samples = await after([judged({}, 0.04), judged({}, 0.05), judged({}, 3), judged({}, 60_000)])
    const bucket = (le: string) => samples.get(`sluice_judge_seconds_bucket{le="${le}",stage="mail"}`)
    assert.deepEqual(
      [bucket('0.00005'), bucket('0.0025'), bucket('0.005'), bucket('5'), bucket('+Inf')],
      [2, 2, 3, 3, 4],
    )
    assert.equal(samples.get('sluice_judge_seconds_count{stage="mail"}'), 4)
    assert.ok(Math.abs(samples.get('sluice_judge_seconds_sum{stage="mail"}')! - 60.00309) < 1e-6)
  })

  it('follows the store, the config, guards, probes and notices', async () => {
    const config = { kind: 'config', at: AT, file: 'f', problems: [], inForce: '' } as const
    const samples = await after([
      { kind: 'store', state: 'lost', at: AT, reason: 'x' },
      { ...config, accepted: true },
      { ...config, accepted: false },
      { kind: 'guard', at: AT, plugin: 'messages', hook: 'rcpt', failure: 'deadline', message: 'x' },
      { kind: 'probe', at: AT, ip: '192.0.2.1', command: 'EXPN' },
      { kind: 'notice', at: AT, message: 'x' },
    ])
    assert.equal(samples.get('sluice_store_up'), 0)
    assert.equal(samples.get('sluice_store_lost_total'), 1)
    assert.equal(samples.get('sluice_config_reloads_total{result="accepted"}'), 1)
    assert.equal(samples.get('sluice_config_reloads_total{result="refused"}'), 1)
    assert.equal(samples.get('sluice_guard_failures_total{plugin="messages",hook="rcpt",failure="deadline"}'), 1)
    assert.equal(samples.get('sluice_probes_total{command="EXPN"}'), 1)
    assert.equal(samples.get('sluice_probes_total{command="VRFY"}'), 0)
    assert.equal(samples.get('sluice_notices_total'), 1)
    assert.equal(samples.get(`sluice_build_info{version="1.2.3",node="${process.versions.node}"}`), 1)
  })

  it('counts what is done about senders, and own addresses on lists', async () => {
    const metrics = createMetrics({ version: '1.2.3', processMetrics: false })
    metrics.watch({ ownListed: () => new Map([['bl.example', 2]]) })
    metrics.reader({
      ...{ kind: 'sender', at: AT, step: 'pause', of: 'account', name: 'ann@example.com', fault: 'hard' },
      ...{ id: '7KQ2M4X', mode: 'enforce', until: AT, evidence: '9 of 20' },
    })
    const listed = { kind: 'listed', at: AT, address: '192.0.2.1', source: 'one' } as const
    metrics.reader({ ...listed, lists: ['bl.example'], then: 'alone' })
    metrics.reader({ ...listed, lists: [], then: 'free' })
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_sender_steps_total{step="pause",of="account",fault="hard",mode="enforce"}'), 1)
    assert.equal(samples.get('sluice_own_listings_total'), 1)
    assert.equal(samples.get('sluice_own_addresses_listed{list="bl.example"}'), 2)
    assert.doesNotMatch(await metrics.registry.metrics(), /ann|192\.0\.2\.1/)
  })

  it('counts questions to DNS and follows its lists', async () => {
    const metrics = createMetrics({ version: '1.2.3', processMetrics: false })
    metrics.watch({
      dnsLookups: () =>
        new Map([
          ['found', 3],
          ['timeout', 1],
        ]),
      dnsZones: () => new Map([['zen.example', 0]]),
    })
    metrics.reader({ kind: 'zone', at: AT, label: 'zen.example', to: 'dead', why: 'x' })
    metrics.reader({ kind: 'zone', at: AT, label: 'zen.example', to: 'well', why: 'x' })
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_dns_lookups_total{result="found"}'), 3)
    assert.equal(samples.get('sluice_dns_lookups_total{result="timeout"}'), 1)
    assert.equal(samples.get('sluice_dns_zone_up{zone="zen.example"}'), 0)
    assert.equal(samples.get('sluice_dns_zone_illnesses_total{zone="zen.example",illness="dead"}'), 1)
  })

  it('says the store is up until it hears otherwise, and again when it is back', async () => {
    assert.equal((await after([])).get('sluice_store_up'), 1)
    const lost = { kind: 'store', state: 'lost', at: AT, reason: 'x' } as const
    assert.equal((await after([lost, { ...lost, state: 'back' }])).get('sluice_store_up'), 1)
  })

  it('reads figures that others keep when it is scraped', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    let waiting = 3
    metrics.watch({ tarpitWaiting: () => waiting, exhaustedHits: () => 7 })
    assert.equal((await samplesOf(metrics)).get('sluice_tarpit_waiting'), 3)
    waiting = 4
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_tarpit_waiting'), 4)
    assert.equal(samples.get('sluice_exhausted_hits_total'), 7)
    assert.equal(samples.get('sluice_sessions_open'), 0)
  })

  it('tells the load, and what it comes of', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    metrics.watch({ loadLevel: () => 2.5, loadPressures: () => new Map(Object.entries({ loop: 1.1, disk: 0.2 })) })
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_load_level'), 2.5)
    assert.equal(samples.get('sluice_load_pressure{of="loop"}'), 1.1)
    assert.equal(samples.get('sluice_load_pressure{of="disk"}'), 0.2)
  })

  it('counts who was shed, and nobody in shadow', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    const found = decision({ reason: 'overload' })
    metrics.reader(judged({ subject: subject({ familiar: true }), decisions: [found] }))
    metrics.reader(judged({ decisions: [found] }))
    metrics.reader(judged({ decisions: [{ ...found, action: 'accept' }] }))
    metrics.reader(judged({ decisions: [{ ...found, action: 'delay' }] }))
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_shed_total{kind="stranger"}'), 1)
    assert.equal(samples.get('sluice_shed_total{kind="partner"}'), 1)
  })

  it('carries the usual metrics of the process under their usual names', async () => {
    const samples = await samplesOf(createMetrics({ version: '1' }))
    assert.ok(samples.get('process_resident_memory_bytes')! > 0)
    assert.ok([...samples.keys()].some((name) => name.startsWith('nodejs_eventloop_lag')))
  })

  it('keeps the names and types that dashboards rest on', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    const types = (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith('# TYPE'))
    assert.deepEqual(types.map((line) => line.slice('# TYPE sluice_'.length)).sort(), [
      'bans gauge',
      'bans_total counter',
      'build_info gauge',
      'config_reloads_total counter',
      'decisions_total counter',
      'decisions_unrecorded_total counter',
      'degraded_total counter',
      'deliveries_unrecorded_total counter',
      'delivery_answers_total counter',
      'delivery_failures_total counter',
      'delivery_recipients_total counter',
      'delivery_seconds histogram',
      'delivery_sessions_total counter',
      'delivery_tls_total counter',
      'delivery_wait_seconds histogram',
      'dns_lookups_total counter',
      'dns_zone_illnesses_total counter',
      'dns_zone_up gauge',
      'egress_oldest_seconds gauge',
      'egress_sessions gauge',
      'egress_under_way gauge',
      'egress_waiting gauge',
      'exemptions_total counter',
      'exhausted_hits_total counter',
      'feedback_ignored_total counter',
      'feedback_reports_total counter',
      'feedback_total counter',
      'guard_failures_total counter',
      'judge_seconds histogram',
      'load_level gauge',
      'load_pressure gauge',
      'notices_total counter',
      'offences_total counter',
      'orders_total counter',
      'own_addresses_listed gauge',
      'own_listings_total counter',
      'probes_total counter',
      'reader_failures_total counter',
      'refusals_passed_over_total counter',
      'sender_steps_total counter',
      'sessions_open gauge',
      'shed_total counter',
      'stages_total counter',
      'store_batches_total counter',
      'store_lost_total counter',
      'store_up gauge',
      'suppressed_recipients_total counter',
      'tarpit_waiting gauge',
      'unbans_total counter',
      'warmup_quota gauge',
      'warmup_taken gauge',
    ])
  })

  it('never puts an address, a domain or an account into a label', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    const who = subject({ account: 'carol@example.org', tenant: 'example.org', helo: 'mx.example.com' })
    metrics.reader(judged({ subject: who, decisions: [decision({ rule: rule({ name: 'client' }) })] }))
    metrics.reader({ kind: 'probe', at: AT, ip: '192.0.2.1', command: 'VRFY' })
    metrics.reader(attempt())
    metrics.reader(attempt({ ...unreached, provider: undefined, path: 'egress|default|mx.example.net' }))
    assert.doesNotMatch(await metrics.registry.metrics(), /example|192\.0\.2\.1/)
  })

  it('bounds the label values of a series', async () => {
    const registry = new Registry()
    const head = { name: 'x_total', help: 'x', type: 'counter', aggregator: 'sum' } as const
    const series = new Series(head, ['rule', 'mode']).register(registry)
    for (let index = 0; index < MOST_CELLS + 5; index++) series.cell(`rule${index}`, 'shadow').value++
    const { values } = await series.get()
    assert.equal(values.length, MOST_CELLS + 1)
    assert.deepEqual(values.at(-1), { value: 5, labels: { rule: 'other', mode: 'other' } })
  })

  it('does not count a stage that was not announced', async () => {
    const histogram = new DurationHistogram({ name: 'x_seconds', help: 'x' }, 'stage', ['mail'], [1])
    histogram.observe('constructor', 1)
    assert.equal((await histogram.get()).values.length, 4)
  })
})
