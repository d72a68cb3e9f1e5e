import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore } from '../../src/store/lmdb/lmdb-store'
import { MemoryStore } from '../../src/store/memory/memory-store'
import type { Store } from '../../src/store/store'
import { meritAsk, tripletAsk, windowAsk } from './bench'

const MINUTE = 60_000
const DAY = 86_400_000
const MAX_KEYS = 1000

interface Full {
  readonly store: Store
  readonly notices: readonly string[]
  close(): Promise<void>
}

let now = 1_700_000_000_000
const clock = () => now

async function memory(): Promise<Full> {
  const notices: string[] = []
  const store = new MemoryStore({ clock, maxKeys: MAX_KEYS, onNotice: (text) => notices.push(text) })
  await store.open()
  return { store, notices, close: () => store.close() }
}

/** As many handles as there are workers. */
async function lmdb(handles: number): Promise<Full> {
  const path = mkdtempSync(join(tmpdir(), 'sluice-full-'))
  const notices: string[] = []
  const onNotice = (text: string) => notices.push(text)
  const stores = Array.from({ length: handles }, () => new LmdbStore({ path, clock, maxKeys: MAX_KEYS, onNotice }))
  for (const store of stores) await store.open()
  const close = async () => {
    for (const store of stores) await store.close()
    rmSync(path, { recursive: true, force: true })
  }
  return { store: stores[0]!, notices, close }
}

const STORES: Readonly<Record<string, () => Promise<Full>>> = {
  memory,
  'lmdb, alone': () => lmdb(1),
  'lmdb, shared': () => lmdb(2),
}

for (const [name, open] of Object.entries(STORES)) {
  describe(`full store: ${name}`, () => {
    let full: Full

    beforeEach(async () => {
      now += 365 * DAY
      full = await open()
    })
    afterEach(() => full.close())

    const perMinute = (key: string) => windowAsk(key, [{ limit: 5, windowMs: MINUTE }])

    it('holds limits while others bring new triplets, and says that it is full once an hour', async () => {
      const { store, notices } = full
      let taken = 0
      for (let turn = 0; turn < 10; turn++) {
        if ((await store.judge([perMinute('client|192.0.2.1')])).committed) taken++
        for (let count = 0; count < 600; count++) {
          const key = `greylist|${turn}|${count}`
          await store.judge([tripletAsk(key, 5 * MINUTE, { retryMs: 2 * DAY, passMs: 35 * DAY })])
        }
        // What was written is swept when the store looks after its file.
        await store.ping()
        now += 1000
      }
      assert.equal(taken, 5)
      const { keys } = await store.ping()
      // The embedded store sweeps in lots, some while behind such a flood.
      assert.ok(keys <= MAX_KEYS * 1.5, `${keys} keys`)
      assert.deepEqual(
        notices.map((text) => /^store: full, 1000 keys are kept/.test(text)),
        [true],
        notices.join('\n'),
      )
    })

    it('keeps what it has learned while others bring new counters', async () => {
      const { store } = full
      const merit = meritAsk('merit|client', 35 * DAY)
      for (let sample = 0; sample < 3; sample++) await store.judge([{ ...merit, sample: 1 }])
      for (let count = 0; count < 3000; count++) {
        await store.judge([windowAsk(`sender|u${count}`, [{ limit: 5, windowMs: 100 * DAY }])])
      }
      await store.ping()
      const { answers } = await store.judge([merit])
      assert.deepEqual([answers[0]!.ok, answers[0]!.count], [true, 3])
    })
  })
}
