import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import type { AttemptEvent } from '../../../src/telemetry/events'
import { type Metrics, createMetrics } from '../../../src/telemetry/metrics'
import { DurationHistogram, JoinedReading, MOST_CELLS, MOST_ROWS } from '../../../src/telemetry/series'
import { attempt, delivered, unreached } from './fixtures'

/** Samples of the text format by name and labels. */
async function samplesOf({ registry }: Pick<Metrics, 'registry'>): Promise<Map<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

async function after(events: readonly Partial<AttemptEvent>[]): Promise<Map<string, number>> {
  const metrics = createMetrics({ version: '1', processMetrics: false })
  for (const event of events) metrics.reader(attempt(event))
  return samplesOf(metrics)
}

describe('metrics of deliveries', () => {
  it('count recipients by what became of them', async () => {
    const samples = await after([
      {},
      delivered,
      { delivered: 3, deferred: 1, bounced: 2, provider: undefined, mailClass: 'marketing' },
      { ...delivered, mailClass: 'invented' },
    ])
    const recipients = (labels: string) => samples.get(`sluice_delivery_recipients_total{${labels}}`)
    assert.equal(recipients('provider="google",class="system",result="deferred"'), 2)
    assert.equal(recipients('provider="google",class="system",result="delivered"'), 2)
    assert.equal(recipients('provider="google",class="system",result="bounced"'), undefined)
    assert.equal(recipients('provider="other",class="marketing",result="delivered"'), 3)
    assert.equal(recipients('provider="other",class="marketing",result="deferred"'), 1)
    assert.equal(recipients('provider="other",class="marketing",result="bounced"'), 2)
    assert.equal(recipients('provider="google",class="other",result="delivered"'), 2)
  })

  it('tell sessions that were used again, and how many were in TLS', async () => {
    const samples = await after([
      {},
      { session: 'new', tls: 'TLSv1.2', verified: false },
      { session: 'new', tls: undefined, verified: false },
      { session: 'new', tls: 'SSLv3', verified: false },
      unreached,
    ])
    const sessions = (session: string) =>
      samples.get(`sluice_delivery_sessions_total{provider="google",session="${session}"}`)
    assert.deepEqual([sessions('reused'), sessions('new'), sessions('none')], [1, 3, 1])
    const tls = (version: string, verified: string) =>
      samples.get(`sluice_delivery_tls_total{provider="google",tls="${version}",verified="${verified}"}`)
    assert.deepEqual(
      [tls('TLSv1.3', 'yes'), tls('TLSv1.2', 'no'), tls('clear', 'no'), tls('other', 'no')],
      [1, 1, 1, 1],
    )
    const counted = [...samples].filter(([name]) => name.startsWith('sluice_delivery_tls_total'))
    assert.equal(counted.length, 4, 'without a session there is nothing to secure')
  })

  it('count what failed by why', async () => {
    const samples = await after([
      {},
      { code: 550, deferred: 0, bounced: 2 },
      { delivered: 1, deferred: 1 },
      unreached,
      { ...unreached, failure: 'ECONNREFUSED 192.0.2.1:25' },
      { code: 0 },
      delivered,
    ])
    const about = [...samples].filter(([name]) => name.startsWith('sluice_delivery_answers_total'))
    assert.ok(
      about.length > 0 && about.every(([name]) => name.includes('provider="google",about="rate"')),
      String(about),
    )
    const failures = [...samples].filter(([name]) => name.startsWith('sluice_delivery_failures_total'))
    assert.deepEqual(
      failures.map(([name, count]) => [/failure="(\w+)"/.exec(name)?.[1], count]),
      [
        ['reply_4xx', 2],
        ['reply_5xx', 1],
        ['timeout', 1],
        ['other', 2],
      ],
    )
  })

  it('measure attempts, and the wait before them', async () => {
    const samples = await after([{}, { waitedMs: 0, tookMs: 300_000, provider: undefined }])
    const under = (name: string, provider: string, le: string) =>
      samples.get(`sluice_${name}_bucket{le="${le}",provider="${provider}"}`)
    assert.deepEqual([under('delivery_seconds', 'google', '1'), under('delivery_seconds', 'google', '2.5')], [0, 1])
    assert.deepEqual([under('delivery_seconds', 'other', '60'), under('delivery_seconds', 'other', '300')], [0, 1])
    assert.equal(under('delivery_wait_seconds', 'other', '0.1'), 1)
    assert.equal(samples.get('sluice_delivery_wait_seconds_sum{provider="google"}'), 12.04)
  })

  it('join what waits by provider and class', async () => {
    const metrics = createMetrics({ version: '1', processMetrics: false })
    const paths = [
      { provider: 'google', mailClass: 'system', value: 3000 },
      { provider: undefined, mailClass: 'system', value: 1000 },
      { provider: undefined, mailClass: 'system', value: 2000 },
      { provider: undefined, mailClass: 'marketing', value: 500 },
    ]
    metrics.watch({
      egressWaiting: () => paths,
      egressOldestMs: () => paths,
      egressUnderWay: () => paths,
      egressSessions: () => new Map([['idle', 4]]),
      warmupQuota: () => [{ source: 'fresh', provider: 'google', value: 200 }],
      warmupTaken: () => [{ source: 'fresh', provider: undefined, value: 30 }],
    })
    const samples = await samplesOf(metrics)
    assert.equal(samples.get('sluice_egress_waiting{provider="google",class="system"}'), 3000)
    assert.equal(samples.get('sluice_egress_waiting{provider="other",class="system"}'), 3000)
    assert.equal(samples.get('sluice_egress_waiting{provider="other",class="marketing"}'), 500)
    assert.equal(samples.get('sluice_egress_oldest_seconds{provider="other",class="system"}'), 2)
    assert.equal(samples.get('sluice_egress_under_way{provider="other"}'), 3500)
    assert.equal(samples.get('sluice_egress_sessions{state="idle"}'), 4)
    assert.equal(samples.get('sluice_warmup_quota{source="fresh",provider="google"}'), 200)
    assert.equal(samples.get('sluice_warmup_taken{source="fresh",provider="other"}'), 30)
  })

  it('say nothing of a queue that nobody has told of', async () => {
    const names = [...(await after([])).keys()]
    assert.deepEqual(
      names.filter((name) => name.startsWith('sluice_egress')),
      [],
    )
  })

  it('are bounded, whatever the labels', async () => {
    const histogram = new DurationHistogram({ name: 'x_seconds', help: 'x' }, 'provider', 'any', [1])
    for (let index = 0; index < MOST_ROWS + 5; index++) histogram.observe(`provider${index}`, 2)
    const counts = (await histogram.get()).values.filter(({ metricName }) => metricName === 'x_seconds_count')
    assert.equal(counts.length, MOST_ROWS + 1)
    assert.deepEqual([counts.at(-1)!.labels, counts.at(-1)!.value], [{ provider: 'other' }, 5])

    const registry = new Registry()
    const head = { name: 'x', help: 'x', type: 'gauge', aggregator: 'sum' } as const
    const many = Array.from({ length: MOST_CELLS + 5 }, (_, index) => [[`provider${index}`, 'system'], 1] as const)
    const reading = new JoinedReading(head, ['provider', 'class'], () => many).register(registry)
    assert.equal((await reading.get()).values.length, MOST_CELLS + 1)
    assert.deepEqual((await reading.get()).values.at(-1), { value: 5, labels: { provider: 'other', class: 'other' } })
  })
})
