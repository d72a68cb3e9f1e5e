import assert from 'node:assert/strict'
import { Pace } from '../../../src/egress/pace'

describe('pace', () => {
  it('is what was noted a second, the last turn as much as all before', () => {
    const pace = new Pace(0)
    for (let count = 0; count < 20; count++) pace.note('a')
    assert.equal(pace.of('a'), 0)
    pace.turn(10_000)
    assert.equal(pace.of('a'), 2)
    for (let count = 0; count < 40; count++) pace.note('a')
    pace.turn(20_000)
    assert.deepEqual([pace.of('a'), pace.of('b')], [3, 0])
  })

  it('forgets a path where nothing happens any more, and takes no turn in no time', () => {
    const pace = new Pace(0)
    pace.note('a')
    pace.turn(0)
    assert.equal(pace.of('a'), 0)
    pace.turn(1000)
    assert.equal(pace.of('a'), 1)
    for (let turn = 2; turn < 13; turn++) pace.turn(turn * 1000)
    assert.equal(pace.of('a'), 0)
  })
})
