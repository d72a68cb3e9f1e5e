/** Two workers on one store keep the limits of one provider together: counted where the mail arrives. */
import { mkdirSync, mkdtempSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { NO_RATES } from './egress-contenders'
import { SinkHost, mostWithin, secondsOf } from './egress-host'
import { fillQueue } from './egress-queue'
import { Sender } from './egress-sender'
import { printTable } from './measure'

const CONNECTIONS = 8

export interface WorkersFigure {
  readonly name: string
  readonly perSecond: number
  readonly messages: number
  /** Messages begun in any window of one second, at most; the end of the window is not in it. */
  readonly begunInASecond: number
  readonly begunInTenSeconds: number
  readonly mostOpen: number
  readonly mostBusy: number
  readonly rate: number | undefined
}

export async function benchWorkers(seconds: number): Promise<WorkersFigure[]> {
  const figures = [
    await measure('50/s', 50, 50 * seconds, 0),
    await measure('no rate, 10 ms a reply', undefined, 100 * seconds, 10),
  ]
  report(figures)
  return figures
}

async function measure(
  name: string,
  rate: number | undefined,
  messages: number,
  replyMs: number,
): Promise<WorkersFigure> {
  const sink = await SinkHost.start({ replyMs })
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-egress-'))
  mkdirSync(path.join(dir, 'queue'))
  // What two processes have left behind: one worker takes over each.
  for (const pid of [1, 2])
    fillQueue(path.join(dir, 'queue'), { domain: 'far.test', messages: Math.ceil(messages / 2), pid })
  const all = Math.ceil(messages / 2) * 2
  const rates = rate === undefined ? NO_RATES : `message_rate: ${rate}/s, unset: [connection_rate]`
  const sender = await Sender.start({
    providers: `default: {connections: ${CONNECTIONS}, sessions: {messages: 1000}, ${rates}}\n`,
    outbound: 'concurrency_max=200\n',
    hosts: { 'far.test': sink.port },
    nodes: 2,
    dir,
  })
  try {
    const seen = await sink.take(all)
    return {
      name,
      rate,
      messages: all,
      perSecond: (all - 1) / secondsOf(seen),
      begunInASecond: mostWithin(seen.begun, 1000),
      begunInTenSeconds: mostWithin(seen.begun, 10_000),
      mostOpen: seen.mostOpen,
      mostBusy: seen.mostBusy,
    }
  } finally {
    await sender.server.remove()
    sink.stop()
  }
}

function report(figures: readonly WorkersFigure[]): void {
  printTable(
    `Two workers on one store, one provider with ${CONNECTIONS} connections`,
    [
      'limits',
      'messages',
      'messages/s',
      'begun in 1 s, at most',
      'in 10 s',
      'to reach in 1 s',
      'busy connections',
      'open connections',
      'to reach',
    ],
    figures.map((figure) => [
      figure.name,
      figure.messages.toFixed(0),
      figure.perSecond.toFixed(2),
      figure.begunInASecond.toFixed(0),
      figure.begunInTenSeconds.toFixed(0),
      figure.rate?.toFixed(0) ?? '',
      figure.mostBusy.toFixed(0),
      figure.mostOpen.toFixed(0),
      CONNECTIONS.toFixed(0),
    ]),
  )
}
