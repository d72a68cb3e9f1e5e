import assert from 'node:assert/strict'
import { splitUp } from '../../../../src/haraka/outbound/split'
import { FakeItem } from './fake-item'

const to = (count: number) => Array.from({ length: count }, (_, index) => `user${index}@far.test`)

describe('a message that is split', () => {
  it('is made parts of so many recipients, each in one of them, and is removed then', async () => {
    const fake = new FakeItem({ recipients: to(7) })
    const parts = await splitUp(fake.item, 3)
    assert.deepEqual(
      parts.flatMap(({ todo }) => todo!.rcpt_to.map(({ address }) => address)),
      to(7),
    )
    assert.deepEqual(fake.calls, ['split 3', 'split 3', 'split 1', 'discarded', 'over'])
  })

  it('stays as it was when a part cannot be written: no part is left, nobody is told', async () => {
    const written: FakeItem[] = []
    class Full extends FakeItem {
      override split_to_new_recipients(...[recipients, , done]: Parameters<FakeItem['split_to_new_recipients']>): void {
        // As Haraka does.
        if (written.length === 2) return this.bounce('Error re-queueing some recipients: disk full')
        const part = new FakeItem({ recipients: recipients.map(({ address }) => address) })
        written.push(part)
        done(part.item)
      }
    }
    const fake = new Full({ recipients: to(7) })
    await assert.rejects(splitUp(fake.item, 3), /Error re-queueing some recipients: disk full/)
    assert.deepEqual(
      written.map(({ calls }) => calls[0]),
      ['discarded', 'discarded'],
    )
    assert.deepEqual(fake.calls, [])
    assert.equal(fake.todo!.rcpt_to.length, 7)
  })
})
