import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { type LeaseAsk, StoreError } from '../../src/store/store'
import { OutageBench, askOf } from '../support/outage-bench'
import { RedisServer, freePort } from '../support/redis-server'
import { TcpProxy } from '../support/tcp-proxy'

describe('a mail server whose Redis is lost', () => {
  const benches: OutageBench[] = []
  const cleanUps: (() => Promise<void> | void)[] = []

  afterEach(async () => {
    await Promise.all(benches.splice(0).map((bench) => bench.close()))
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
  })

  async function startServer(settings: string[] = [], port?: number): Promise<RedisServer> {
    const server = await RedisServer.start({ settings, ...(port === undefined ? {} : { port }) })
    cleanUps.push(() => server.stop())
    return server
  }

  function connect(server: RedisServer): Redis {
    const admin = new Redis(server.url)
    cleanUps.push(() => admin.disconnect())
    return admin
  }

  async function startProxy(server: RedisServer): Promise<{ proxy: TcpProxy; url: string }> {
    const proxy = await TcpProxy.start(server.port)
    cleanUps.push(() => proxy.close())
    return { proxy, url: `redis://127.0.0.1:${proxy.port}` }
  }

  function makeBench(url: string): OutageBench {
    const bench = new OutageBench(url)
    benches.push(bench)
    return bench
  }

  async function openBench(url: string): Promise<OutageBench> {
    const bench = makeBench(url)
    await bench.open()
    return bench
  }

  /** Judges through an outage and its end: in time, degraded just as long as it lasts, one change each way. */
  async function survives(bench: OutageBench, breakIt: () => unknown, mendIt: () => unknown): Promise<void> {
    const ask = askOf('k', 1000)
    assert.equal((await bench.judge(ask)).degraded, false)
    await breakIt()
    await bench.judgeUntilLost(ask)
    for (let count = 0; count < 20; count++) assert.equal((await bench.judge(ask)).degraded, true)
    await mendIt()
    await bench.changed(2)
    assert.equal((await bench.judge(ask)).degraded, false)
    assert.deepEqual(bench.states, ['lost', 'back'])
    const [lost, back] = bench.changes
    assert.equal(back!.downMs, back!.at - lost!.at)
  }

  describe('goes on deciding', () => {
    it('when Redis crashes and starts again', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      await survives(
        bench,
        () => server.kill(),
        () => server.start(),
      )
      assert.match(
        bench.changes[0]!.reason,
        /cannot be reached: (?:connect ECONNREFUSED|read ECONNRESET|the connection was closed)/,
      )
    })

    it('when Redis stands still', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      await survives(
        bench,
        () => server.pause(),
        () => server.resume(),
      )
      assert.match(bench.changes[0]!.reason, /did not answer within 80 ms/)
    })

    it('when the network swallows everything for a moment', async () => {
      const { proxy, url } = await startProxy(await startServer())
      await survives(
        await openBench(url),
        () => (proxy.blackHole = true),
        () => (proxy.blackHole = false),
      )
    })

    it('when the network swallows everything until connections are given up', async () => {
      const { proxy, url } = await startProxy(await startServer())
      await survives(
        await openBench(url),
        () => (proxy.blackHole = true),
        async () => {
          await proxy.connected(4)
          proxy.blackHole = false
        },
      )
    })

    it('when answers are slow', async () => {
      const { proxy, url } = await startProxy(await startServer())
      await survives(
        await openBench(url),
        () => (proxy.answerDelayMs = 250),
        () => (proxy.answerDelayMs = 0),
      )
    })

    it('when Redis becomes a read-only replica', async () => {
      const server = await startServer()
      const admin = connect(server)
      const bench = await openBench(server.url)
      await survives(
        bench,
        () => admin.replicaof('127.0.0.1', 1),
        () => admin.replicaof('NO', 'ONE'),
      )
      assert.match(bench.changes[0]!.reason, /READONLY.*point the URL at the primary/)
    })

    it('when Redis is out of memory', async () => {
      const server = await startServer()
      const admin = connect(server)
      const bench = await openBench(server.url)
      await survives(
        bench,
        () => admin.config('SET', 'maxmemory', '1'),
        () => admin.config('SET', 'maxmemory', '0'),
      )
      assert.match(bench.changes[0]!.reason, /OOM.*raise maxmemory/)
    })

    it('when nobody asks meanwhile: the beat finds out', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      server.pause()
      await bench.changed(1)
      server.resume()
      await bench.changed(2)
      assert.deepEqual(bench.states, ['lost', 'back'])
    })

    it('of many at once, and reports one change', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      server.pause()
      await Promise.all(Array.from({ length: 200 }, () => bench.judge(askOf('k', 1000))))
      assert.deepEqual(bench.states, ['lost'])
    })

    it('without a connection that broke once and was made anew', async () => {
      const { proxy, url } = await startProxy(await startServer())
      const bench = await openBench(url)
      proxy.reset()
      await bench.judge(askOf('k', 1000))
      while ((await bench.judge(askOf('k', 1000))).degraded) await new Promise(setImmediate)
      assert.ok(bench.states.length % 2 === 0, 'as often back as lost')
    })
  })

  describe('starts', () => {
    it('with Redis down, and finds it later', async () => {
      const port = await freePort()
      const bench = await openBench(`redis://127.0.0.1:${port}`)
      assert.equal((await bench.judge(askOf('k', 10))).degraded, true)
      assert.deepEqual(bench.states, ['lost'])
      await startServer([], port)
      await bench.changed(2)
      assert.equal((await bench.judge(askOf('k', 10))).degraded, false)
      assert.deepEqual(bench.states, ['lost', 'back'])
    })

    it('with a network that swallows everything', async () => {
      const { proxy, url } = await startProxy(await startServer())
      proxy.blackHole = true
      const bench = await openBench(url)
      assert.equal((await bench.judge(askOf('k', 10))).degraded, true)
      proxy.blackHole = false
      await bench.changed(2)
      assert.deepEqual(bench.states, ['lost', 'back'])
    })

    for (const [what, login, word] of [
      ['no password', '', 'NOAUTH'],
      ['a wrong password', ':Geheimnis@', 'WRONGPASS'],
    ] as const) {
      it(`with ${what}: says so, keeps secrets, and goes on once that is mended`, async () => {
        const server = await startServer(['--requirepass', 'sesam'])
        const bench = makeBench(`redis://${login}127.0.0.1:${server.port}`)
        await bench.open()
        assert.equal((await bench.judge(askOf('k', 10))).degraded, true)
        const { reason } = bench.changes[0]!
        assert.match(reason, new RegExp(`refused.*${word}.*password in`))
        await assert.rejects(bench.store.ping(), (error: unknown) => {
          assert.doesNotMatch(inspect(error, { depth: 9 }) + reason, /Geheimnis|sesam/)
          return true
        })
        const admin = new Redis(server.url, { password: 'sesam' })
        cleanUps.push(() => admin.disconnect())
        await admin.config('SET', 'requirepass', login === '' ? '' : 'Geheimnis')
        await bench.changed(2)
        assert.equal((await bench.judge(askOf('k', 10))).degraded, false)
      })
    }
  })

  describe('keeps the limits', () => {
    it('at its share of the quota while several processes live', async () => {
      const server = await startServer()
      const [one, two] = [await openBench(server.url), await openBench(server.url)]
      await one.judge(askOf('other', 1000))
      await beatsSeen(server, 2)
      server.pause()
      let admitted = 0
      for (const bench of [one, two]) {
        await bench.judgeUntilLost(askOf('other', 1000))
        for (let count = 0; count < 10; count++) if ((await bench.judge(askOf('k', 10))).committed) admitted++
      }
      assert.equal(admitted, 10)
      server.resume()
    })

    it('counts what was admitted meanwhile, once Redis is back', async () => {
      const server = await startServer()
      const admin = connect(server)
      const bench = await openBench(server.url)
      await bench.judge(askOf('k', 100, 2))
      await admin.replicaof('127.0.0.1', 1)
      const admitted = await bench.judgeUntilLost(askOf('k', 100))
      await bench.judge(askOf('k', 100, 5), {
        op: 'rate',
        key: 'r',
        enforced: true,
        cost: 3,
        burst: 10,
        intervalMs: 60_000,
      })
      await admin.replicaof('NO', 'ONE')
      await bench.changed(2)
      const after = await bench.judge(askOf('k', 100), {
        op: 'rate',
        key: 'r',
        enforced: true,
        cost: 1,
        burst: 10,
        intervalMs: 60_000,
      })
      assert.deepEqual(
        after.answers.map((answer) => answer.count),
        [2 + admitted + 5, 3],
      )
    })

    it('counts nothing twice that Redis carries out late', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      server.pause()
      const admitted = await bench.judgeUntilLost(askOf('k', 100))
      await bench.judge(askOf('k', 100, 5))
      server.resume()
      await bench.changed(2)
      assert.equal((await bench.judge(askOf('k', 100))).answers[0]!.count, admitted + 5)
    })

    it('gives leases back that ended meanwhile, and keeps those that were renewed', async () => {
      const lease = (id: string): LeaseAsk => ({ op: 'lease', key: 'l', enforced: true, limit: 9, id, ttlMs: 60_000 })
      const server = await startServer()
      const admin = connect(server)
      const bench = await openBench(server.url)
      await bench.judge(lease('session-0001'))
      await bench.judge(lease('session-0002'))
      await admin.replicaof('127.0.0.1', 1)
      await bench.judgeUntilLost(askOf('k', 100))
      await bench.store.release([{ key: 'l', id: 'session-0001' }])
      assert.equal((await bench.judge(lease('session-0003'))).committed, true)
      await admin.replicaof('NO', 'ONE')
      await bench.changed(2)
      assert.equal((await bench.judge(lease('session-0004'))).answers[0]!.count, 1)
      await bench.store.renew([{ key: 'l', id: 'session-0003' }], 60_000)
      assert.equal((await bench.judge(lease('session-0005'))).answers[0]!.count, 3)
    })

    it('forgets a key that is reset meanwhile, and says that others could not be told', async () => {
      const server = await startServer()
      const bench = await openBench(server.url)
      const heard: string[] = []
      bench.store.onReset((key) => heard.push(key))
      server.pause()
      await bench.judgeUntilLost(askOf('other', 100))
      await bench.judge(askOf('k', 1))
      assert.equal((await bench.judge(askOf('k', 1))).committed, false)
      await assert.rejects(bench.store.reset(['k']), StoreError)
      assert.equal((await bench.judge(askOf('k', 1))).committed, true)
      assert.deepEqual(heard, ['k'])
      server.resume()
    })
  })

  /** Resolves when so many processes have been counted and every process has heard of it. */
  async function beatsSeen(server: RedisServer, count: number): Promise<void> {
    const monitor = await connect(server).monitor()
    cleanUps.push(() => monitor.disconnect())
    const beats = new Set<string>()
    await new Promise<void>((resolve) => {
      monitor.on('monitor', (_time: string, args: string[]) => {
        if (args[0] === 'ZADD' && args[3] !== undefined) beats.add(args[3])
        if (beats.size === count) resolve()
      })
    })
  }
})
