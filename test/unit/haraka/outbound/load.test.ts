import assert from 'node:assert/strict'
import { type OutboundQueue, loadInOrder } from '../../../../src/haraka/outbound/load'
import type { HarakaPlugin } from '../../../../src/haraka/types'

describe('what a server finds in its queue at start', () => {
  const fileOf = (due: number, uid: string) => `1790000000000_${due}_0_77_${uid}_1_host`

  function load() {
    const seen: { files: string[]; times: Date[] } = { files: [], times: [] }
    const queue: OutboundQueue = {
      load_queue_files: (_, files) => {
        seen.files = files
        return Promise.resolve()
      },
      _add_hmail: () => void seen.times.push(queue.cur_time),
      cur_time: new Date(0),
    }
    loadInOrder({ haraka_require: () => queue } as unknown as HarakaPlugin)
    return { queue, seen }
  }

  it('comes in the order in which it is due, files of strange names first', async () => {
    const { queue, seen } = load()
    const [early, late, alsoLate] = [fileOf(1, 'z'), fileOf(30, 'b'), fileOf(30, 'a')]
    await queue.load_queue_files(1, [late, early, 'strange', alsoLate], undefined)
    assert.deepEqual(seen.files, ['strange', early, alsoLate, late])
  })

  it('is due by the clock, not by that of the start', () => {
    const { queue, seen } = load()
    const before = Date.now()
    queue._add_hmail({})
    assert.ok(seen.times[0]!.getTime() >= before)
  })
})
