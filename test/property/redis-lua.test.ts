import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { hash32 } from '../../src/keys/key'
import { encodeState } from '../../src/store/engine/codec'
import { type ScriptName, loadScript } from '../../src/store/redis/script'
import { decodeVerdicts, encodeBatches, encodeCharges } from '../../src/store/redis/wire'
import type { Ask } from '../../src/store/store'
import { RedisServer } from '../support/redis-server'
import { RedisModel } from './redis-model'
import { IDS, KEYS, LAYOUTS, type Step, anyStep } from './redis-steps'

/**
 * Runs a script on a clock of ours: it finds a `redis` whose TIME is the last argument, and whose SET notes PX in the
 * hash `px` instead of letting real time take the key away.
 */
const ON_VIRTUAL_TIME = `
local server = redis
local virtual_now = tonumber(table.remove(ARGV))
local redis = {
  call = function(command, ...)
    if command == 'TIME' then
      return { tostring(math.floor(virtual_now / 1000)), tostring((virtual_now % 1000) * 1000) }
    elseif command == 'SET' then
      local key, value, _, px = ...
      server.call('HSET', 'px', key, px)
      return server.call('SET', key, value)
    end
    return server.call(command, ...)
  end,
}
`

describe('Lua scripts and the engine', () => {
  let server: RedisServer
  let redis: Redis
  const digests = new Map<ScriptName, string>()

  before(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    for (const name of ['judge-1', 'release-1', 'renew-1', 'charge-1'] as const) {
      digests.set(name, (await redis.script('LOAD', ON_VIRTUAL_TIME + loadScript(name).lua)) as string)
    }
  })

  after(async () => {
    redis.disconnect()
    await server.stop()
  })

  function run(name: ScriptName, keys: string[], args: string[], now: number): Promise<unknown> {
    return redis.evalsha(digests.get(name)!, keys.length, ...keys, ...args, now)
  }

  async function take(step: Step, model: RedisModel): Promise<void> {
    model.now += step.passedMs
    const { now } = model
    switch (step.do) {
      case 'judge': {
        const { batches } = step
        const keys = batches.flat().map((ask) => ask.key)
        const reply = await run('judge-1', keys, encodeBatches(batches), now)
        const verdicts = batches.map((asks) => model.judge(asks))
        assert.deepEqual(decodeVerdicts(reply as number[], batches), verdicts)
        break
      }
      case 'release':
        await run(
          'release-1',
          step.leases.map((lease) => lease.key),
          step.leases.map((lease) => lease.id),
          now,
        )
        for (const lease of step.leases) model.release(lease)
        break
      case 'renew': {
        const args = [String(step.ttlMs), ...step.leases.map((lease) => lease.id)]
        await run(
          'renew-1',
          step.leases.map((lease) => lease.key),
          args,
          now,
        )
        for (const lease of step.leases) model.renew(lease, step.ttlMs)
        break
      }
      case 'charge':
        await run(
          'charge-1',
          step.charges.map((charge) => charge.key),
          encodeCharges(step.charges),
          now,
        )
        for (const charge of step.charges) model.charge(charge)
        break
      case 'spoil':
        await spoil(step, model)
    }
  }

  async function spoil(step: Step & { do: 'spoil' }, model: RedisModel): Promise<void> {
    await redis.del(step.key)
    const whole = model.values.get(step.key)
    model.values.delete(step.key)
    if (step.how === 'type') {
      await redis.hset(step.key, 'not', 'ours')
      return
    }
    const bytes = step.how === 'cut' && whole ? whole.subarray(0, -1) : Buffer.from(step.bytes)
    await redis.set(step.key, bytes)
    model.values.set(step.key, bytes)
  }

  async function compare(model: RedisModel): Promise<void> {
    const values = await redis.mgetBuffer(KEYS)
    const lives = await redis.hgetall('px')
    KEYS.forEach((key, index) => {
      assert.equal(values[index]?.toString('hex'), model.values.get(key)?.toString('hex'), `bytes of ${key}`)
    })
    for (const [key, px] of model.lives) assert.equal(Number(lives[key]), px, `PX of ${key}`)
  }

  /** Takes the steps in both worlds and compares them after each. */
  async function play(steps: readonly Step[]): Promise<void> {
    await redis.flushdb()
    const model = new RedisModel()
    for (const step of steps) {
      await take(step, model)
      await compare(model)
    }
  }

  it('give the same answers and the same bytes', async function () {
    this.timeout(120_000)
    const steps = fc.array(anyStep, { minLength: 1, maxLength: 40, size: 'max' })
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: 250 })
  })

  const judge = (passedMs: number, ask: Ask): Step => ({ do: 'judge', passedMs, batches: [[ask]] })
  const huge = (cost: number): Ask => ({ op: 'window', key: 'k0', enforced: true, cost, windows: LAYOUTS[5]! })
  const few: Ask = { op: 'window', key: 'k0', enforced: true, cost: 1, windows: LAYOUTS[0]! }

  it('agree where the running total wraps', () =>
    play([
      judge(0, huge(2 ** 47)),
      judge(1500, huge(5)),
      judge(1500, huge(2 ** 47)),
      judge(10, huge(2 ** 47)),
      judge(10, huge(2 ** 48 - 20)),
      judge(10, huge(2 ** 48 - 2)),
    ]))

  it('agree when the clock is put back by just the window, and by more', () =>
    play([judge(0, few), judge(-1000, few), judge(-1, few), judge(2000, few), judge(-1001, few)]))

  it('agree on merits after every number of steps, and when the clock is put back', () => {
    const bounds = { leastSamples: 1, leastMean: 0, halfLifeMs: 160, most: 1e6, apartMs: 20, keepMs: 1e6 }
    const merit = (passedMs: number, sample: number, halfLifeMs = 160): Step =>
      judge(passedMs, { op: 'merit', key: 'k0', enforced: true, ...bounds, halfLifeMs, sample })
    const many = Array.from({ length: 60 }, () => merit(20, 0.7777, 0))
    const old = Array.from({ length: 40 }, (_, step) => [...many, merit(step * 90, -0.3333)])
    return play([...old.flat(), merit(-19, 1), merit(-1, 1), merit(-1e6, 1), merit(-1e6 - 1, 1), merit(5, -1)])
  })

  const START = new RedisModel().now
  const spoilt = (bytes: Buffer): Step => ({ do: 'spoil', passedMs: 0, key: 'k0', how: 'bytes', bytes })

  it('agree on every step of fading, until nothing is left, and on a mean that is none', async () => {
    const bounds = { leastSamples: 1, leastMean: 0, halfLifeMs: 160, most: 1e6, apartMs: 0, keepMs: 1e6 }
    const merit: Ask = { op: 'merit', key: 'k0', enforced: true, ...bounds }
    const times = { lastAt: START, expiresAt: START + 1e6, halfLifeMs: 160 }
    const held = encodeState({ op: 'merit', samples: 2 ** 32 - 1, mean: 10_000, ...times, noted: false })
    for (let step = 0; step <= 321; step++) {
      await play([spoilt(held), judge(step * 10, merit), judge(0, { ...merit, sample: -1 })])
    }
    held.writeUInt16BE(20_001, 5)
    await play([spoilt(held), judge(0, { ...merit, sample: 1 })])
  })

  it('agree on which sketch is none, and when one is over', async () => {
    const distinct: Ask = { op: 'distinct', key: 'k0', enforced: true, value: 1, limit: 600, windowMs: 1000 }
    const bits = new Uint8Array(256).fill(1)
    for (const [set, newerSet] of [
      [3, 3],
      [3, 4],
      [1024, 0],
      [1025, 0],
    ] as const) {
      const sketch = { op: 'distinct', startedAt: START, windowMs: 1000, set, newerSet, bits, noted: false } as const
      for (const passedMs of [0, 999, 1000, 1999, 2000, -1000, -1001]) {
        await play([spoilt(encodeState(sketch)), judge(passedMs, distinct), judge(0, { ...distinct, value: 2 })])
      }
    }
  })

  it('agree on a full sketch, and on one whose generations come and go', () => {
    const value = (passedMs: number, value: number, limit = 600): Step =>
      judge(passedMs, { op: 'distinct', key: 'k0', enforced: true, value, limit, windowMs: 1000 })
    const filling = Array.from({ length: 700 }, (_, index) => value(0, hash32(`v${index}`)))
    const turning = [500, 500, 0, 999, 1, -1, -999, -1001, 1999, 2000, 3000, -2000]
    return play([...filling, ...turning.map((passedMs, index) => value(passedMs, index % 5, 2))])
  })

  it('agree on a lease whose id also shows where no lease begins', () => {
    // The low byte of an end is the letter a here, so that id 0 seems to begin one byte before id 1.
    const lease = (id: string, passedMs: number): Step =>
      judge(passedMs, { op: 'lease', key: 'k0', enforced: true, limit: 2, id, ttlMs: 1000 })
    const untilLetter = (0x61 - ((1_700_000_000_000 + 1000) % 256) + 256) % 256
    return play([lease(IDS[3]!, untilLetter), lease(IDS[1]!, 0), lease(IDS[0]!, 1)])
  })
})
