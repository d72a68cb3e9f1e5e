import assert from 'node:assert/strict'
import { Familiar } from '../../../src/load/familiar'

describe('familiar networks', () => {
  it('knows whom it has met, and nobody else', () => {
    const familiar = new Familiar()
    familiar.note('192.0.2.0/24', 0)
    assert.ok(familiar.knows('192.0.2.0/24'))
    assert.ok(!familiar.knows('198.51.100.0/24'))
  })

  it('never holds more than it may, and forgets those first whom it has not met for longest', () => {
    const familiar = new Familiar(100)
    for (let key = 0; key < 1000; key++) {
      familiar.note(`key ${key}`, key)
      familiar.note('regular', key)
      assert.ok(familiar.size <= 100)
    }
    assert.ok(familiar.knows('key 999') && familiar.knows('key 970'))
    assert.ok(!familiar.knows('key 0'))
    assert.ok(familiar.knows('regular'))
  })

  it('forgets after one to two generations', () => {
    const familiar = new Familiar(100, 1000)
    familiar.note('old', 0)
    familiar.note('other', 1500)
    assert.ok(familiar.knows('old'))
    familiar.note('other', 2600)
    assert.ok(!familiar.knows('old'))
    assert.ok(familiar.knows('other'))
  })

  it('keeps nobody over a long silence', () => {
    const familiar = new Familiar(100, 1000)
    familiar.note('old', 0)
    familiar.note('new', 10_000)
    assert.ok(!familiar.knows('old'))
  })
})
