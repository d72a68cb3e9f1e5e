import assert from 'node:assert/strict'
import { countingAsk } from '../../../src/policy/counting'
import { MemoryStore } from '../../../src/store/memory/memory-store'

describe('counting', () => {
  it('tells what was counted before in each window, and refuses nobody', async () => {
    let now = 1_790_000_000_000
    const store = new MemoryStore({ clock: () => now })
    await store.open()
    const count = (cost: number) => store.judge([countingAsk('k', cost, 60_000, 3_600_000)]).committed
    assert.equal(count(1_000_000), true)
    now += 120_000
    assert.equal(count(5), true)
    const [state] = await store.list('k', 1)
    assert.deepEqual(
      state!.counts.map((one) => one.count),
      [5, 1_000_005],
    )
  })
})
