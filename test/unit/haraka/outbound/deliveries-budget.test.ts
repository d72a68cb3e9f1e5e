import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { BY_CODE_ALONE } from '../../../../src/egress/attempt'
import { OWN_MAIL } from '../../../../src/egress/label'
import { PathBook } from '../../../../src/egress/path-book'
import type { PathLimits } from '../../../../src/egress/path-dispatcher'
import { parseReply } from '../../../../src/egress/smtp-reply'
import type { Taken } from '../../../../src/egress/warmup/warmup'
import type { Untried } from '../../../../src/haraka/outbound/attempt-event'
import type { Budgeted } from '../../../../src/haraka/outbound/budget'
import { Deliveries } from '../../../../src/haraka/outbound/deliveries'
import { type Delivery, DeliveryRecords, Planner } from '../../../../src/haraka/outbound/delivery'
import type { Endings } from '../../../../src/haraka/outbound/endings'
import type { QueueItem } from '../../../../src/haraka/outbound/queue-item'
import type { Route, Routes } from '../../../../src/haraka/outbound/routes'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { RULES } from '../../egress/fixtures'
import { deliveriesOptions } from './deliveries-options'
import { FakeItem, type FakeOptions, handOver, systemAnswers } from './fake-item'

const FAR = 'egress|default|mx.far.test'
const HOSTS: Route = { kind: 'hosts', hosts: [{ host: 'mx.far.test', preference: 10 }] }

describe('deliveries that go by a budget', () => {
  let directory: string
  let limits: Partial<PathLimits>
  let deliveries: Deliveries
  let records: DeliveryRecords
  let split: [filename: string, most: number][]
  let take: (delivery: Delivery) => Promise<Budgeted> | undefined
  let givenBack: Taken[]
  let proceeded: FakeItem[]

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-budget-'))
    const store = new MemoryStore()
    ;[limits, split, givenBack, proceeded] = [{}, [], [], []]
    const book = new PathBook(() => RULES)
    records = new DeliveryRecords(book, () => BY_CODE_ALONE)
    const endings = {
      isTooOld: () => false,
      prepare: () => undefined,
      endUntried: (item: QueueItem, { why }: Untried) => item.temp_fail(why),
    } as unknown as Endings
    const routes = {
      find: async () => HOSTS,
      addressesOf: async () => [{ exchange: '192.0.2.1', from_dns: 'mx.far.test', priority: 0 }],
    } as unknown as Routes
    const source = { name: 'default', bind: undefined, bind6: undefined, helo: undefined }
    const planner = new Planner({ book, routes, labelOf: () => OWN_MAIL, sourceFor: () => source })
    deliveries = new Deliveries({
      ...deliveriesOptions({ book, planner, records, endings, store: () => store }),
      budget: { take: (delivery) => take(delivery), giveBack: (taken) => void givenBack.push(...taken) },
      limitsOf: ({ profile }) => ({ connections: profile.connections, rate: undefined, ...limits }),
      splitUp: async (item, most) => void split.push([item.filename, most]),
    })
  })
  afterEach(() => {
    deliveries.close()
    rmSync(directory, { recursive: true })
  })

  const admit = (options: FakeOptions = {}): Promise<FakeItem> =>
    handOver(deliveries, directory, options, (fake) => proceeded.push(fake))
  const begun = (): Promise<void> => systemAnswers(directory)
  const held = () => [...deliveries.inHand()].flatMap((one) => (one.isWaiting ? [one.path] : []))

  const taken: Taken = { id: { source: 'default', group: 'other' }, date: '2026-11-22', recipients: 1 }
  const go: Budgeted = { kind: 'go', taken: [taken] }

  it('go when they have got their part of it, and give it back when no host has seen them', async () => {
    take = () => Promise.resolve(go)
    const [unseen, seen] = [await admit(), await admit()]
    assert.deepEqual(new Set(proceeded), new Set([unseen, seen]))
    const attempt = records.lastAttempt(seen.item)!.attempt
    attempt.tries({ host: 'mx.far.test', ip: undefined, port: 25 })
    attempt.replied('greeting', parseReply(['421 no']))
    for (const one of [unseen, seen]) one.next_cb()
    await begun()
    assert.deepEqual(givenBack, [taken])
  })

  it('wait in their place where there is none, and are not lost', async () => {
    let permission: Budgeted = { kind: 'wait', forMs: 1000 }
    limits = { warmingUntil: undefined }
    const asked: string[] = []
    take = (delivery) => {
      asked.push(delivery.id)
      // As a budget does that is used up: from now on the limits say so.
      if (permission.kind === 'wait') limits = { warmingUntil: Infinity }
      return Promise.resolve(permission)
    }
    const one = await admit()
    const two = await admit()
    assert.deepEqual([proceeded, held(), asked.length], [[], [FAR, FAR], 1])
    assert.equal([...deliveries.work()][0]!.hold, 'warmup')
    permission = go
    limits = {}
    deliveries.pump(FAR)
    await begun()
    assert.deepEqual(new Set(proceeded), new Set([one, two]))
  })

  it('are parted when they have more recipients than go at a time', async () => {
    take = ({ item }) => Promise.resolve(item.todo!.rcpt_to.length > 2 ? { kind: 'split', most: 2 } : go)
    const large = await admit({ recipients: ['a@far.test', 'b@far.test', 'c@far.test'] })
    await begun()
    assert.deepEqual([split, proceeded], [[[large.filename, 2]], []])
    assert.deepEqual([deliveries.loads(), held()], [[], []])
  })

  it('are put off where it is their sender who may not, and keep nobody waiting', async () => {
    const why: Untried = { isFinal: false, status: '4.7.1', why: 'new here' }
    const isNew = ({ item }: Delivery) => item.todo!.mail_from.address === 'new@near.test'
    take = (delivery) => Promise.resolve(isNew(delivery) ? { kind: 'later', why } : go)
    const one = await admit({ sender: 'new@near.test' })
    const two = await admit()
    assert.deepEqual(one.calls, ['over', 'deferred: new here'])
    assert.deepEqual([proceeded, held()], [[two], []])
  })

  it('are not ended twice while it is asked', async () => {
    let answer: (permission: Budgeted) => void = () => undefined
    take = () => new Promise((resolve) => (answer = resolve))
    const one = await admit()
    const id = [...deliveries.inHand()][0]!.id
    assert.equal(await deliveries.endWaiting(id, () => assert.fail('it is about to go')), 'left')
    answer(go)
    await begun()
    assert.deepEqual(proceeded, [one])
  })
})
