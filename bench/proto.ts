import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { HarakaServer } from '../test/support/haraka'
import { roomyPolicy } from './throughput'
import { LoadProcess, addresses, cpuSeconds } from './measure'
import type { Arrivals, ArrivalsResult } from './open-load'
export class Open {
  child = fork(path.join(__dirname, 'open-load.ts'), { execArgv: ['--import', 'tsx'] })
  async run(o: Arrivals): Promise<ArrivalsResult> {
    this.child.send(o)
    const [r] = (await once(this.child, 'message')) as [ArrivalsResult]
    return r
  }
}
const pct = (xs: number[], q: number) => {
  const s = [...xs].sort((a, b) => a - b)
  return s[Math.min(s.length - 1, Math.floor(s.length * q))] ?? NaN
}
export function say(name: string, r: ArrivalsResult) {
  const t = r.arrivals.filter((a) => a.end === 'taken').map((a) => a.tookMs)
  const n = (e: string) => r.arrivals.filter((a) => a.end === e).length
  console.log(
    name,
    'n',
    r.arrivals.length,
    'taken',
    n('taken'),
    'deferred',
    n('deferred'),
    'lost',
    n('lost'),
    'p50',
    pct(t, 0.5).toFixed(1),
    'p99',
    pct(t, 0.99).toFixed(1),
    'max',
    pct(t, 1).toFixed(1),
  )
}
async function main() {
  const files: Record<string, string> = {}
  const plugins = [
    'sluice/plugins/connections',
    'sluice/plugins/hardening',
    'sluice/plugins/messages',
    'no_rdns',
    'rcpt_to.in_host_list',
    'queue/discard',
  ]
  const work = Number(process.env.WORK ?? 0)
  if (work) {
    files['../plugins/work.js'] =
      `exports.hook_data_post = (next) => { const e = Date.now() + 0; const t=process.hrtime.bigint(); while (Number(process.hrtime.bigint()-t) < ${work}e6); next() }\n`
    plugins.splice(5, 0, 'work')
  }
  const server = await HarakaServer.start({
    sluice: roomyPolicy('lmdb:data/sluice'),
    plugins,
    logLevel: 'error',
    quiet: true,
    files,
  })
  const closed = new LoadProcess()
  const w = await closed.run({
    port: server.port,
    messages: work ? 1500 : 5000,
    perConnection: 1,
    parallel: 10,
    from: addresses(50),
  })
  const c0 = cpuSeconds(server.child.pid!)
  const cap = await closed.run({
    port: server.port,
    messages: work ? 1500 : 4000,
    perConnection: 1,
    parallel: 10,
    from: addresses(50),
  })
  const C = cap.sent / cap.seconds
  console.log(
    'capacity',
    (w.sent / w.seconds).toFixed(0),
    C.toFixed(0),
    'cpu ms',
    (((cpuSeconds(server.child.pid!) - c0) / cap.sent) * 1000).toFixed(3),
  )
  closed.stop()
  const [p, s] = [new Open(), new Open()]
  await p.run({ port: server.port, perSecond: C * 0.3, seconds: 3, from: addresses(50) })
  for (const f of [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
    say('load ' + f, await p.run({ port: server.port, perSecond: C * f, seconds: 5, from: addresses(50) }))
  const [a, b] = await Promise.all([
    p.run({ port: server.port, perSecond: C * 0.3, seconds: 8, from: addresses(50) }),
    s.run({ port: server.port, perSecond: C * 2.7, seconds: 8, from: addresses(2000).slice(50) }),
  ])
  say('partners 3x', a)
  say('strangers', b)
  p.child.kill()
  s.child.kill()
  await server.remove()
}
void main()
