import assert from 'node:assert/strict'
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import path from 'node:path'
import { clusterMetrics, collectStatus, reportStatus, watchWorkers } from '../../../src/telemetry/cluster-metrics'
import { createMetrics } from '../../../src/telemetry/metrics'
import { judged } from './fixtures'
import type { Order } from './cluster-worker'

describe('metrics of a cluster', () => {
  const own = createMetrics({ version: '1', processMetrics: false })
  const workers: Worker[] = []

  before(async () => {
    watchWorkers()
    cluster.setupPrimary({ exec: path.join(__dirname, 'cluster-worker.ts'), execArgv: ['--import', 'tsx'], args: [] })
    workers.push(await fork(), await fork())
  })

  after(async () => {
    await Promise.all(Object.values(cluster.workers ?? {}).map((worker) => stop(worker!)))
  })

  async function scrape(timeoutMs?: number): Promise<(name: string) => number | undefined> {
    const text = await clusterMetrics(own.registry, timeoutMs)
    const lines = text.split('\n').map((line) => line.split(' '))
    return (name) => lines.filter(([first]) => first === name).map(([, value]) => Number(value))[0]
  }

  const MAILS = 'sluice_stages_total{stage="mail",result="accept"}'

  it('adds up counters and histograms, and joins gauges as they mean it', async () => {
    own.reader(judged())
    await order(workers[0]!, { judge: 2, sessions: 5, bans: 7 })
    await order(workers[1]!, { judge: 3, sessions: 6, bans: 8, loseStore: true })
    const value = await scrape()
    assert.equal(value(MAILS), 6)
    assert.equal(value('sluice_judge_seconds_count{stage="mail"}'), 6)
    assert.equal(value('sluice_judge_seconds_bucket{le="+Inf",stage="mail"}'), 6)
    assert.equal(value('sluice_sessions_open'), 11)
    // One list, of which a worker may have heard more than another.
    assert.equal(value('sluice_bans'), 8)
    assert.equal(value('sluice_store_up'), 0)
    assert.equal(value(`sluice_build_info{version="1",node="${process.versions.node}"}`), 1)
    assert.equal(value('sluice_workers'), 2)
    assert.equal(value('sluice_workers_silent'), 0)
  })

  it('answers many scrapes at once', async () => {
    const values = await Promise.all(Array.from({ length: 10 }, () => scrape()))
    assert.deepEqual(
      values.map((value) => value(MAILS)),
      Array.from({ length: 10 }, () => 6),
    )
  })

  it('does not wait for a worker that hangs, and takes its last figures', async () => {
    process.kill(workers[1]!.process.pid!, 'SIGSTOP')
    try {
      await order(workers[0]!, { judge: 1 })
      const value = await scrape(50)
      assert.equal(value(MAILS), 7)
      assert.equal(value('sluice_workers_silent'), 1)
    } finally {
      process.kill(workers[1]!.process.pid!, 'SIGCONT')
    }
    assert.equal((await scrape(5000))('sluice_workers_silent'), 0)
  })

  it('joins what the workers say of themselves', async () => {
    assert.deepEqual(collectStatus(), {
      ready: false,
      degraded: false,
      reasons: ['2 of 2 workers have not started yet'],
      workers: 2,
      reported: 0,
    })
    await order(workers[0]!, { ready: true })
    assert.equal(collectStatus().ready, true)
    await order(workers[1]!, { ready: false })
    assert.deepEqual(collectStatus(), {
      ready: false,
      degraded: false,
      reasons: ['the store is not open yet'],
      workers: 2,
      reported: 2,
    })
    await order(workers[1]!, { ready: true, loseStore: true })
    const { ready, degraded, reasons } = collectStatus()
    assert.deepEqual({ ready, degraded, reasons }, { ready: true, degraded: true, reasons: [] })
  })

  it('keeps the counters of a worker that has ended, but not its gauges nor its status', async () => {
    await stop(workers[1]!)
    const value = await scrape()
    assert.equal(value(MAILS), 7)
    assert.equal(value('sluice_sessions_open'), 5)
    assert.equal(value('sluice_store_up'), 1)
    assert.equal(collectStatus().degraded, false)
    workers[1] = await fork()
    await order(workers[1], { judge: 4 })
    assert.equal((await scrape())(MAILS), 11)
  })

  it('is not ready when no worker runs, and tells of itself outside a cluster', async () => {
    await Promise.all(workers.map(stop))
    assert.deepEqual(collectStatus().reasons, ['no worker runs'])
    assert.equal(collectStatus().ready, false)
    reportStatus({ ready: true, degraded: true, reasons: ['store lost'] })
    const { ready, degraded, reasons } = collectStatus()
    assert.deepEqual({ ready, degraded, reasons }, { ready: true, degraded: true, reasons: ['store lost'] })
  })
})

async function fork(): Promise<Worker> {
  const worker = cluster.fork()
  await done(worker)
  return worker
}

async function order(worker: Worker, what: Order): Promise<void> {
  const answered = done(worker)
  worker.send(what)
  await answered
}

/** The channel keeps order: what a worker reported before it says that it is done has been heard. */
function done(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    const listener = (message: { done?: boolean }) => {
      if (!message.done) return
      worker.removeListener('message', listener)
      resolve()
    }
    worker.on('message', listener)
  })
}

async function stop(worker: Worker): Promise<void> {
  if (worker.isDead()) return
  const ended = once(worker, 'exit')
  worker.process.kill('SIGKILL')
  await ended
}
