import assert from 'node:assert/strict'
import { StateCache } from '../../../../src/store/lmdb/state-cache'
import type { State } from '../../../../src/store/engine/state'

describe('state cache', () => {
  const state = (tat: number, noted = false): State => ({ op: 'rate', tat, noted })

  it('asks for what it does not have, and only once while it has room', () => {
    const asked: string[] = []
    const cache = new StateCache((key) => {
      asked.push(key)
      return key === 'none' ? undefined : state(1)
    }, 100)
    assert.deepEqual(cache.get('a'), state(1))
    assert.equal(cache.get('a'), cache.get('a'))
    assert.equal(cache.get('none'), undefined)
    assert.deepEqual(asked, ['a', 'none'])
  })

  it('is bounded, and keeps what is in use', () => {
    let asked = 0
    const cache = new StateCache(() => (asked++, state(1)), 100)
    for (let key = 0; key < 1000; key++) {
      cache.get('hot')
      cache.get(`k${key}`)
    }
    assert.equal(asked, 1001)
    for (let key = 0; key < 900; key++) cache.get(`k${key}`)
    assert.ok(asked > 1850, 'old ones are gone')
  })

  it('never lets go of what is not written yet', () => {
    const cache = new StateCache(() => undefined, 10)
    for (let key = 0; key < 1000; key++) cache.put(`k${key}`, state(key))
    assert.equal(cache.unwritten, 1000)
    assert.deepEqual(cache.get('k3'), state(3, true))
  })

  it('hands out changes in the order of the first change, until they are written', () => {
    const cache = new StateCache(() => state(9), 10)
    cache.put('a', state(1))
    cache.put('b', state(2))
    cache.remove('c')
    cache.put('a', state(3))
    assert.deepEqual(cache.changes(2), [
      ['a', state(3, true)],
      ['b', state(2, true)],
    ])
    cache.written(cache.changes(2))
    assert.deepEqual(cache.changes(9), [['c', undefined]])
    // Removed here, though still written elsewhere.
    assert.equal(cache.get('c'), undefined)
    cache.written(cache.changes(9))
    assert.deepEqual(cache.get('c'), state(9))
  })

  it('notes a state once until it is written, and again when it changes after that', () => {
    const cache = new StateCache(() => undefined, 10)
    const busy = state(1)
    cache.put('a', busy)
    cache.put('a', busy)
    assert.equal(cache.unwritten, 1)
    cache.written(cache.changes(9))
    assert.equal(cache.unwritten, 0)
    cache.put('a', busy)
    assert.deepEqual(cache.changes(9), [['a', busy]])
  })

  it('forgets the longest unwritten when it must', () => {
    const cache = new StateCache(() => undefined, 4)
    for (let key = 0; key < 10; key++) cache.put(`k${key}`, state(key))
    assert.equal(cache.dropUnwritten(4), 6)
    assert.deepEqual(
      cache.changes(9).map(([key]) => key),
      ['k6', 'k7', 'k8', 'k9'],
    )
    assert.equal(cache.dropUnwritten(4), 0)
  })
})
