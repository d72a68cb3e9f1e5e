import assert from 'node:assert/strict'
import { SuppressionList } from '../../../src/feedback/suppression-list'
import { Suppressions } from '../../../src/haraka/suppressions'
import { type EnvelopeAddress, OK, type Transaction } from '../../../src/haraka/types'
import type { Mode } from '../../../src/policy/mode'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { EventStream, type TelemetryEvent } from '../../../src/telemetry/events'
import { FakeItem } from './outbound/fake-item'

const KEPT = { hard_bounce: 1e9, complaint: 1e9, unsubscribe: 1e9, manual: 1e9 }
const addressOf = (user: string, host = 'far.test'): EnvelopeAddress => ({ user, host })
const ANN = addressOf('ann', 'near.test')
const NOBODY: EnvelopeAddress = { user: null, host: null }

const OURS = { tenant: undefined, account: undefined, client: '192.0.2.7' }

describe('the suppression list as plugins heed it', () => {
  let mode: Mode
  let store: MemoryStore
  let events: TelemetryEvent[]
  let failures: string[]
  let suppressions: Suppressions

  beforeEach(async () => {
    ;[mode, store, events, failures] = [{ kind: 'enforce' }, new MemoryStore(), [], []]
    const stream = new EventStream()
    stream.read((event) => events.push(event))
    const list = new SuppressionList({ records: () => store.records, keptFor: () => KEPT })
    suppressions = new Suppressions({
      policy: () => ({ mode, atRcpt: 'drop', keepMs: KEPT }),
      list,
      stream,
      onFailure: (where) => failures.push(where),
    })
    await list.add([
      { address: 'bob@far.test', reason: 'complaint', by: 'x' },
      { address: 'eve@far.test', reason: 'hard_bounce', by: 'x' },
      { address: 'joe@far.test', reason: 'unsubscribe', tenant: 'acme', by: 'x' },
    ])
  })

  it('says why nothing is sent to a recipient', async () => {
    const reason = async (user: string, from: EnvelopeAddress = ANN, tenant?: string) =>
      (await suppressions.lookUp(addressOf(user), from, tenant))?.reason
    assert.equal(await reason('BOB'), 'complaint')
    assert.equal(await reason('bob', NOBODY), undefined)
    assert.equal(await reason('eve', NOBODY), 'hard_bounce')
    assert.deepEqual([await reason('joe'), await reason('joe', ANN, 'acme')], [undefined, 'unsubscribe'])
  })

  it('lets mail go on when the store is ill, and tells of it', async () => {
    await store.close()
    assert.equal(await suppressions.lookUp(addressOf('bob'), ANN, undefined), undefined)
    assert.deepEqual(await suppressions.heldIn(new FakeItem({ recipients: ['bob@far.test'] }).item, OURS), [])
    assert.deepEqual(failures, ['rcpt_ok', 'send_email'])
  })

  it('takes off whom it has dropped, and ends a message that is left with nobody', () => {
    const [bob, eve, ann] = [addressOf('bob'), addressOf('eve'), addressOf('ann')]
    const transaction = { uuid: 'T.1', rcpt_to: [bob, ann, eve] } as unknown as Transaction
    assert.equal(suppressions.takeOff({ transaction }), undefined)
    assert.equal(transaction.rcpt_to.length, 3)
    suppressions.drop(bob)
    suppressions.drop(eve)
    assert.equal(suppressions.takeOff({ transaction }), undefined)
    assert.deepEqual(transaction.rcpt_to, [ann])
    assert.equal(events.length, 0)
    transaction.rcpt_to = [bob]
    assert.equal(suppressions.takeOff({ transaction })?.code, OK)
    const [event] = events
    assert.ok(event?.kind === 'suppressed')
    assert.deepEqual([event.what, event.id, event.recipients, event.count], ['discarded', 'T.1', ['bob@far.test'], 1])
    assert.equal(suppressions.takeOff({ transaction: null }), undefined)
  })

  it('lets mail of strangers go on to who is of ours', async () => {
    const stranger = { ...OURS, client: undefined }
    const message = (sender: string) => new FakeItem({ recipients: ['eve@far.test'], sender }).item
    assert.deepEqual(await suppressions.heldIn(message('x@elsewhere.test'), stranger), [])
    assert.equal((await suppressions.heldIn(message('x@elsewhere.test'), OURS)).length, 1)
    assert.equal((await suppressions.heldIn(message(''), stranger)).length, 1, 'a bounce')
  })

  it('holds recipients of what waits, each by his own reason', async () => {
    const recipients = ['ann@far.test', 'bob@far.test', 'eve@far.test', 'joe@far.test']
    const held = async (tenant?: string, sender?: string) =>
      (
        await suppressions.heldIn(new FakeItem({ recipients, ...(sender === undefined ? {} : { sender }) }).item, {
          ...OURS,
          tenant,
        })
      ).map(({ recipient, untried }) => [recipient.address, untried.status])
    assert.deepEqual(await held(), [
      ['bob@far.test', '5.7.1'],
      ['eve@far.test', '5.1.1'],
    ])
    assert.deepEqual(await held('acme'), [
      ['bob@far.test', '5.7.1'],
      ['eve@far.test', '5.1.1'],
      ['joe@far.test', '5.7.1'],
    ])
    assert.deepEqual(await held('acme', ''), [['eve@far.test', '5.1.1']], 'a bounce')
    mode = { kind: 'shadow' }
    assert.deepEqual(await held(), [])
    const [event] = events
    assert.ok(event?.kind === 'suppressed')
    assert.deepEqual([event.what, event.recipients], ['spared', ['bob@far.test', 'eve@far.test']])
    mode = { kind: 'off' }
    assert.deepEqual([await held(), events.length], [[], 1])
  })
})
