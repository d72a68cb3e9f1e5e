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
  const d = r.arrivals.filter((a) => a.end === 'deferred').map((a) => a.tookMs)
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
    'deferred p50',
    pct(d, 0.5).toFixed(1),
    pct(d, 0.99).toFixed(1),
  )
}
const strangers = Array.from({ length: 50000 }, (_, i) => `127.${2 + (i >> 14)}.${(i >> 7) & 127}.${(i & 127) + 1}`)
async function main() {
  const files: Record<string, string> = {}
  const plugins = [
    'sluice/plugins/overload',
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
    plugins.splice(6, 0, 'work')
  }
  const server = await HarakaServer.start({
    sluice:
      roomyPolicy('lmdb:data/sluice') + `\noverload: {mode: ${process.env.MODE ?? 'enforce'}${process.env.OV ?? ''}}`,
    plugins,
    logLevel: process.env.LOGLEVEL ?? 'error',
    quiet: true,
    files,
    nodeArgs: process.env.PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/ovl'] : [],
  })
  const p = new Open(),
    s = new Open(),
    closed = new LoadProcess()
  await closed.run({ port: server.port, messages: 50, perConnection: 10, parallel: 2, from: addresses(50) })
  const w = await closed.run({
    port: server.port,
    messages: work ? 300 : 3000,
    perConnection: 1,
    parallel: 10,
    from: addresses(50),
  })
  const c0 = cpuSeconds(server.child.pid!)
  const cap = await closed.run({
    port: server.port,
    messages: work ? 300 : 3000,
    perConnection: 1,
    parallel: 10,
    from: addresses(50),
  })
  const C = Number(process.env.CAP ?? cap.sent / cap.seconds)
  console.log(
    'capacity',
    (w.sent / w.seconds).toFixed(0),
    C.toFixed(0),
    'refused',
    w.refused,
    cap.refused,
    'cpu ms',
    (((cpuSeconds(server.child.pid!) - c0) / cap.sent) * 1000).toFixed(3),
  )
  closed.stop()
  await new Promise((r) => setTimeout(r, 8000))
  await p.run({ port: server.port, perSecond: C * 0.3, seconds: 3, from: addresses(50) })
  for (const f of [0.3])
    say('load ' + f, await p.run({ port: server.port, perSecond: C * f, seconds: 8, from: addresses(50) }))
  const watch = setInterval(
    () =>
      void server.get('/metrics').then(({ text }) => {
        const pr = [...text.matchAll(/^sluice_load_pressure\{of="(\w+)"\} (\S+)/gm)]
          .map((m) => `${m[1]} ${Number(m[2]).toFixed(2)}`)
          .join(' ')
        console.log(
          '   level',
          Number(/^sluice_load_level (\S+)/m.exec(text)?.[1]).toFixed(2),
          pr,
          [...text.matchAll(/^sluice_shed_total.*/gm)].join(' '),
        )
      }),
    1000,
  )
  const c1 = cpuSeconds(server.child.pid!)
  const [a, b] = await Promise.all([
    p.run({ port: server.port, perSecond: C * 0.3, seconds: 20, from: addresses(50) }),
    s.run({ port: server.port, perSecond: C * 2.7, seconds: 20, from: strangers }),
  ])
  console.log('cpu', cpuSeconds(server.child.pid!) - c1)
  say('partners 3x', a)
  say('strangers', b)
  const slow = a.arrivals.filter((x) => x.tookMs > 60).map((x) => Math.round(x.dueMs / 100) / 10)
  console.log('slow at', [...new Set(slow)].join(' ').slice(0, 300))
  const d = a.arrivals.filter((x) => x.end === 'deferred').map((x) => Math.round(x.dueMs / 1000))
  console.log('deferred at', [...new Set(d)].join(' ').slice(0, 300))
  await new Promise((r) => setTimeout(r, 5000))
  clearInterval(watch)
  say('after 0.3', await p.run({ port: server.port, perSecond: C * 0.3, seconds: 3, from: addresses(50) }))
  p.child.kill()
  s.child.kill()
  if (process.env.SHOWLOG)
    console.log(
      server.log
        .split('\n')
        .filter((l) => /load level|guard/.test(l))
        .join('\n'),
    )
  if (process.env.PROF) await server.stop()
  await server.remove()
}
void main()
