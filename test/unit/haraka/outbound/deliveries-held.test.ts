import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PathBook } from '../../../../src/egress/path-book'
import type { AttemptEnd } from '../../../../src/haraka/outbound/attempt-event'
import { Deliveries } from '../../../../src/haraka/outbound/deliveries'
import { BY_CODE_ALONE } from '../../../../src/egress/attempt'
import { DeliveryRecords, Planner } from '../../../../src/haraka/outbound/delivery'
import { Endings, type EndingsOptions } from '../../../../src/haraka/outbound/endings'
import type { Routes } from '../../../../src/haraka/outbound/routes'
import { OWN_MAIL } from '../../../../src/egress/label'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { RULES } from '../../egress/fixtures'
import { deliveriesOptions } from './deliveries-options'
import { FakeItem, type FakeOptions, handOver, systemAnswers } from './fake-item'

const FAR = 'egress|default|mx.far.test'

/** What only the suppression list does to them; the rest is in `deliveries.test.ts`. */
describe('deliveries to who is suppressed', () => {
  let directory: string
  let deliveries: Deliveries
  let ended: AttemptEnd[]
  let failures: string[]
  let proceeded: FakeItem[]
  let isSuspended: boolean
  let diskIsFull: boolean
  /** To whom nothing is sent. */
  let suppressed: string[]
  let lookups: number
  let apart: string[][]
  /** Haraka's own: it sends back what was tried more often than these are many. */
  let intervals: number[]

  beforeEach(() => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-held-'))
    ;[ended, failures, proceeded, isSuspended, diskIsFull] = [[], [], [], false, false]
    ;[suppressed, lookups, apart, intervals] = [[], 0, [], [60, 120]]
    const store = new MemoryStore()
    const book = new PathBook(() => RULES)
    const records = new DeliveryRecords(book, () => BY_CODE_ALONE)
    const endings = new Endings({
      lifetimes: () => ({ lifetimeMs: 1e15, bounceLifetimeMs: 1e15, delayNoticeMs: undefined }),
      onUntried: (item, untried) => records.noteUntried(item, untried),
      intervals: () => intervals,
    } as Partial<EndingsOptions> as EndingsOptions)
    const route = { kind: 'hosts', hosts: [{ host: 'mx.far.test', preference: 10 }] } as const
    const planner = new Planner({
      book,
      routes: { find: async () => route, addressesOf: async () => [{ exchange: '192.0.2.1' }] } as unknown as Routes,
      labelOf: () => OWN_MAIL,
      sourceFor: () => ({ name: 'default', bind: undefined, bind6: undefined, helo: undefined }),
    })
    deliveries = new Deliveries({
      ...deliveriesOptions({ book, planner, records, endings, store: () => store }),
      limitsOf: () => ({ connections: 9, rate: undefined, suspendedUntil: isSuspended ? Infinity : undefined }),
      heldIn: async ({ todo }) => {
        lookups++
        const untried = (address: string) => ({ isFinal: true, status: '5.7.1', why: `${address} is suppressed.` })
        const of = todo!.rcpt_to.filter(({ address }) => suppressed.includes(address))
        return of.map((recipient) => ({ recipient, untried: untried(recipient.address) }))
      },
      setApart: async (_item, recipients) => {
        if (diskIsFull) throw new Error('disk full')
        await Promise.resolve(apart.push(recipients.map(({ address }) => address)))
      },
      onAttempt: (end) => ended.push(end),
      onFailure: (what, error) => void failures.push(`${what}: ${String(error)}`),
    })
  })
  afterEach(() => {
    deliveries.close()
    rmSync(directory, { recursive: true })
  })

  const admit = (options: FakeOptions): Promise<FakeItem> =>
    handOver(deliveries, directory, { queuedAt: Date.now(), ...options }, (fake) => proceeded.push(fake))
  const begun = (): Promise<void> => systemAnswers(directory)

  it('end a message for those who were suppressed while it waited, and ask no host', async () => {
    isSuspended = true
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'] })
    assert.equal(lookups, 0)
    suppressed = ['a@far.test', 'b@far.test']
    isSuspended = false
    deliveries.pump(FAR)
    await begun()
    assert.deepEqual(one.calls, ['over', 'bounced: a@far.test is suppressed.'])
    assert.deepEqual(
      one.todo!.rcpt_to.map(({ dsn_action, dsn_status, dsn_msg }) => [dsn_action, dsn_status, dsn_msg]),
      ['a', 'b'].map((name) => ['failed', '5.7.1', `${name}@far.test is suppressed.`]),
    )
    assert.deepEqual([proceeded, one.hooks_to_run, lookups], [[], [], 1])
    one.next_cb()
    await begun()
    assert.deepEqual([ended.length, ended[0]!.untried?.status, deliveries.loads()], [1, '5.7.1', []])
  })

  it('set those apart who were suppressed, and let go of the whole, which is no attempt', async () => {
    suppressed = ['b@far.test']
    const one = await admit({ recipients: ['a@far.test', 'b@far.test', 'c@far.test'] })
    assert.deepEqual(apart, [['b@far.test']])
    assert.deepEqual([proceeded, ended, one.calls, deliveries.loads(), failures], [[], [], ['over'], [], []])
  })

  it('put a message off whose suppressed recipients cannot be set apart', async () => {
    ;[suppressed, diskIsFull] = [['b@far.test'], true]
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'] })
    assert.match(one.calls[1]!, /^deferred: it could not be begun: Error: disk full/)
    assert.match(failures[0]!, /beginning a delivery: Error: disk full/)
  })

  it('put it off, too, when it was tried more often than Haraka tries by itself', async () => {
    ;[suppressed, diskIsFull] = [['b@far.test'], true]
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'], failures: 20 })
    assert.match(one.calls[1]!, /^deferred: /)
    assert.ok(one.num_failures <= intervals.length, `${one.num_failures} failures, ${intervals.length} intervals`)
  })

  it('deliver to all when nobody is suppressed, after one look', async () => {
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'] })
    assert.deepEqual([proceeded, lookups, apart], [[one], 1, []])
  })
})
