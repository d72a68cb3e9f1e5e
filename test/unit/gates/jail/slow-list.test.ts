import assert from 'node:assert/strict'
import { SlowList, slowEntry } from '../../../../src/gates/jail/slow-list'
import { AT, MINUTE } from './fixtures'

describe('slow list', () => {
  let now: number
  let list: SlowList
  beforeEach(() => {
    now = AT
    list = new SlowList(() => now)
  })
  const post = (account: string, forMs = MINUTE) =>
    list.apply({ kind: 'posted', entry: slowEntry(account, now + forMs) })

  it('holds an account for a while, whatever is in its name', () => {
    for (const account of ['ann', 'a|b', 'ä\0\n', 'x'.repeat(1000)]) {
      assert.equal(list.has(account), false)
      post(account)
      assert.equal(list.has(account), true, account)
    }
    assert.equal(list.has('a'), false)
    now += MINUTE
    assert.equal(list.has('ann'), false)
  })

  it('says how long that will be', () => {
    assert.equal(list.leftMs('ann'), 0)
    post('ann')
    now += 20_000
    assert.equal(list.leftMs('ann'), 40_000)
    now += 40_000
    assert.equal(list.leftMs('ann'), 0)
  })

  it('follows the board', () => {
    post('ann')
    list.apply({ kind: 'withdrawn', key: slowEntry('ann', 0).key })
    assert.equal(list.has('ann'), false)
    post('ann')
    list.apply({ kind: 'all', entries: [slowEntry('bob', now + 1), { key: 'ban|ann', text: '', expiresAt: now + 1 }] })
    assert.deepEqual([list.has('ann'), list.has('bob')], [false, true])
  })

  it('is bounded, and still prolongs whom it knows', () => {
    for (let index = 0; index < 10_000; index++) post(`u${index}`)
    post('late')
    assert.equal(list.has('late'), false)
    post('u0', 2 * MINUTE)
    now += MINUTE
    assert.equal(list.has('u0'), true)
    post('late')
    assert.equal(list.has('late'), true, 'those that have ended made room')
  })
})
