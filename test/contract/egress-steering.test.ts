import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Breaker } from '../../src/egress/breaker'
import { Controller, type Stepped } from '../../src/egress/controller'
import { NO_ORDERS, Steering } from '../../src/egress/steering'
import { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { RedisStore } from '../../src/store/redis/redis-store'
import type { Store } from '../../src/store/store'
import { RedisServer } from '../support/redis-server'
import { POLICY } from '../unit/egress/controller-scene'

const PATH = 'egress|default|google'

/** One of two that share a real store. */
class Process {
  readonly steps: Stepped[] = []
  readonly failures: unknown[] = []
  readonly steering: Steering
  readonly controller: Controller
  readonly breaker: Breaker
  /** Of the breaker, which looks once a minute. */
  aheadMs = 0
  private waiting: (() => void)[] = []

  constructor(readonly store: Store) {
    const common = {
      policy: () => POLICY,
      store: () => store,
      onFailure: (error: unknown) => this.failures.push(error),
    }
    this.steering = new Steering({ store: () => store })
    this.steering.onChange(() => this.waiting.splice(0).forEach((wake) => wake()))
    this.steering.follow(store)
    const onStep = (step: Stepped) => this.steps.push(step)
    this.controller = new Controller({ ...common, steering: this.steering, onStep })
    this.breaker = new Breaker({ ...common, steering: this.steering, clock: () => Date.now() + this.aheadMs })
  }

  /** Resolves when it has heard of such orders; the runner's own time limit is the bound. */
  async hears(rateFactor: number): Promise<void> {
    while (this.steering.ordersOf(PATH).rateFactor !== rateFactor) {
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }
}

function describeSteering(name: string, open: () => Promise<Store>): void {
  describe(`steering over ${name}`, () => {
    let processes: [Process, Process]
    beforeEach(async () => {
      processes = [new Process(await open()), new Process(await open())]
    })
    afterEach(async () => {
      await Promise.all(processes.map(({ store }) => store.close()))
      assert.deepEqual(
        processes.flatMap(({ failures }) => failures),
        [],
      )
    })

    it('makes one step of what two processes see at once, which both follow, and a cancellation too', async () => {
      const [one, other] = processes
      for (const { controller } of processes) {
        for (let time = 0; time < 30; time++) controller.note(PATH, { kind: 'throttled', at: Date.now(), code: 421 })
      }
      await Promise.all(processes.map(({ controller }) => controller.settled()))
      await Promise.all(processes.map((process) => process.hears(0.5)))
      const steps = processes.flatMap((process) => process.steps)
      assert.equal(steps.length, 1)
      assert.deepEqual(other.steering.actions(), steps[0]!.actions)
      await other.steering.cancel(steps[0]!.actions[0]!.id)
      await one.hears(1)
      assert.equal(one.steering.ordersOf(PATH), NO_ORDERS)
    })

    it('knows the volume of both', async () => {
      for (const process of processes) {
        process.breaker.note(PATH)
        process.aheadMs += 61_000
        process.breaker.note(PATH)
        await process.breaker.settled()
      }
      const [volume] = await processes[0].store.list('egress_volume', 9)
      assert.deepEqual(volume?.counts, [{ windowMs: 300_000, count: 4 }])
    })
  })
}

describe('egress on real stores', () => {
  let server: RedisServer
  let path: string
  before(async () => {
    server = await RedisServer.start()
  })
  after(() => server.stop())
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  describeSteering('LMDB', async () => {
    const store = new LmdbStore({ path, flushMs: 50, tickMs: 50 })
    await store.open()
    return store
  })

  let installation = 0
  describeSteering('Redis', async () => {
    // Two processes each.
    const store = new RedisStore({ url: server.url, prefix: `test${Math.floor(installation++ / 2)}` })
    await store.open()
    return store
  })
})
