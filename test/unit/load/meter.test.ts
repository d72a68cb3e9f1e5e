import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BOUNDED_LEVEL } from '../../../src/load/level'
import { LoadMeter, type Samples, type Thresholds } from '../../../src/load/meter'
import { processSamples } from '../../../src/load/samples'

const THRESHOLDS: Thresholds = {
  ...{ loop: 0.8, delayMs: 1e9, cpu: 0.9, memory: 0.9 },
  ...{ diskFreeBytes: 1000, queue: 100, sessions: 50 },
}

describe('load meter', () => {
  let meter: LoadMeter | undefined
  afterEach(() => meter?.stop())

  /** Starts a meter on made-up figures and waits for its first whole step. */
  function firstStep(samples: Partial<Samples>): Promise<{ level: number; worst: string }> {
    return new Promise((resolve) => {
      meter = new LoadMeter({
        thresholds: () => THRESHOLDS,
        samples: {
          ...{ loop: () => 0, cpu: () => 0, memory: () => 0, queue: () => 0 },
          ...{ diskFreeBytes: async () => Infinity, sessions: async () => 0 },
          ...samples,
        },
        onStep: (level, _before, pressures) => {
          const [worst] = Object.entries(pressures).sort(([, a], [, b]) => b - a)[0]!
          resolve({ level, worst })
        },
      })
    })
  }

  const cases: Record<string, Partial<Samples>> = {
    loop: { loop: () => 1 },
    cpu: { cpu: () => 0.95 },
    memory: { memory: () => 0.95 },
    disk: { diskFreeBytes: async () => 900 },
    queue: { queue: () => 200 },
    sessions: { sessions: async () => 100 },
  }
  for (const [signal, samples] of Object.entries(cases)) {
    it(`rises by ${signal} alone`, async () => {
      const { level, worst } = await firstStep(samples)
      assert.ok(level >= 1)
      assert.equal(worst, signal)
    })
  }

  for (const signal of ['queue', 'sessions'] as const) {
    it(`never turns a known client away by ${signal} alone`, async () => {
      await firstStep(cases[signal]!)
      const end = Date.now() + 700
      while (meter!.value < BOUNDED_LEVEL && Date.now() < end) await delay(10)
      await delay(100)
      assert.equal(meter!.value, BOUNDED_LEVEL)
    })
  }

  it('tells of no more than a hundred times a threshold, also when nothing is left', async () => {
    await firstStep({ diskFreeBytes: async () => 0, queue: () => 1e9 })
    assert.deepEqual([meter!.pressures.disk, meter!.pressures.queue], [100, 100])
  })

  it('rises when the event loop comes late', async () => {
    const late = new Promise<number>((resolve) => {
      meter = new LoadMeter({
        thresholds: () => ({ ...THRESHOLDS, delayMs: 20 }),
        samples: {
          ...{ loop: () => 0, cpu: () => 0, memory: () => 0, queue: () => 0 },
          ...{ diskFreeBytes: async () => Infinity, sessions: async () => 0 },
        },
        onStep: (_level, _before, { delay }) => resolve(delay),
      })
    })
    const busy = setInterval(() => {
      const end = performance.now() + 100
      while (performance.now() < end);
    }, 101)
    assert.ok((await late) >= 1)
    clearInterval(busy)
  })

  it('tells how it is now within a turn of the loop that lets no timer run', async () => {
    let [looks, busy] = [0, false]
    await new Promise<void>((resolve) => {
      meter = new LoadMeter({
        thresholds: () => THRESHOLDS,
        samples: {
          loop: () => {
            if (++looks === 70) resolve()
            return busy ? 1 : 0
          },
          ...{ cpu: () => 0, memory: () => 0, queue: () => 0 },
          ...{ diskFreeBytes: async () => Infinity, sessions: async () => 0 },
        },
        onStep: () => undefined,
      })
    })
    assert.equal(meter!.value, 0)
    busy = true
    const spend = (ms: number) => {
      const end = performance.now() + ms
      while (performance.now() < end);
    }
    spend(30)
    assert.equal(meter!.value, 0, 'a pause is no overload')
    spend(90)
    assert.ok(meter!.value >= 1, `${meter!.value}`)
  })

  it('takes what cannot be measured for no pressure', async () => {
    const failing = async () => Promise.reject(new Error('no such thing'))
    const { worst } = await firstStep({ sessions: failing, diskFreeBytes: failing, queue: () => 110 })
    assert.equal(worst, 'queue')
    assert.equal(meter!.pressures.sessions, 0)
  })
})

describe('samples of the process', () => {
  it('are shares and bytes that can be true', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-load-'))
    const samples = processSamples({
      folders: [folder, path.join(folder, 'not made yet')],
      queue: () => 7,
      sessions: async () => 3,
    })
    const end = performance.now() + 50
    while (performance.now() < end);
    assert.ok(samples.cpu() > 0 && samples.cpu() <= 2)
    assert.ok(samples.loop() >= 0 && samples.loop() <= 1)
    assert.ok(samples.memory() > 0 && samples.memory() < 1)
    const free = await samples.diskFreeBytes()
    assert.ok(free > 0 && Number.isFinite(free))
    assert.deepEqual([samples.queue(), await samples.sessions()], [7, 3])
    rmSync(folder, { recursive: true })
  })
})
