import assert from 'node:assert/strict'
import { Attempt } from '../../../../src/egress/attempt'
import { LastAttempts } from '../../../../src/haraka/outbound/last-attempts'
import { FakeItem } from './fake-item'

const todoOf = (uuid: string, ...recipients: string[]) => new FakeItem({ uuid, recipients }).todo!
const attempt = (at: number) => ({ attempt: new Attempt([]), at })

describe('last attempts', () => {
  it('are those of a message, also for whom Haraka has split off it', () => {
    const attempts = new LastAttempts()
    assert.equal(attempts.of(todoOf('m', 'a@x.test')), undefined)
    attempts.note(todoOf('m', 'a@x.test', 'b@x.test'), attempt(1))
    assert.equal(attempts.of(todoOf('m', 'b@x.test'))!.at, 1)
    attempts.note(todoOf('m', 'a@x.test', 'b@x.test'), attempt(2))
    assert.equal(attempts.of(todoOf('m', 'b@x.test'))!.at, 2)
    assert.equal(attempts.of(todoOf('other', 'b@x.test')), undefined)
  })

  it('are not those of another part of the message', () => {
    const attempts = new LastAttempts()
    attempts.note(todoOf('m', 'a@x.test'), attempt(1))
    attempts.note(todoOf('m', 'b@x.test'), attempt(2))
    assert.equal(attempts.of(todoOf('m', 'a@x.test'))!.at, 1)
  })

  it('are forgotten, the oldest first', () => {
    const attempts = new LastAttempts()
    for (let number = 0; number < 10_001; number++) attempts.note(todoOf(`m${number}`, 'a@x.test'), attempt(number))
    assert.equal(attempts.of(todoOf('m0', 'a@x.test')), undefined)
    assert.equal(attempts.of(todoOf('m10000', 'a@x.test'))!.at, 10_000)
  })
})
