import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { mock } from 'node:test'
import { BY_CODE_ALONE } from '../../../../src/egress/attempt'
import type { MailClass } from '../../../../src/egress/fair-queue'
import { OWN_MAIL } from '../../../../src/egress/label'
import { PathBook } from '../../../../src/egress/path-book'
import type { PathLimits } from '../../../../src/egress/path-dispatcher'
import type { EgressRules } from '../../../../src/egress/rules'
import type { Source } from '../../../../src/egress/sources'
import type { AttemptEnd, Untried } from '../../../../src/haraka/outbound/attempt-event'
import { Deliveries } from '../../../../src/haraka/outbound/deliveries'
import { DeliveryRecords, Planner } from '../../../../src/haraka/outbound/delivery'
import { Endings, senderPaused } from '../../../../src/haraka/outbound/endings'
import { messageId } from '../../../../src/haraka/outbound/queue-item'
import type { Reporter, Told } from '../../../../src/haraka/outbound/reports'
import type { Route, Routes } from '../../../../src/haraka/outbound/routes'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { BASE_FIGURES, RULES, layer } from '../../egress/fixtures'
import { deliveriesOptions } from './deliveries-options'
import { FakeItem, type FakeOptions, QUEUED_AT, handOver, settle, systemAnswers } from './fake-item'

const HOUR = 3_600_000
const source = (name: string, bind?: string): Source => ({ name, bind, bind6: undefined, helo: `${name}.near.test` })
const HOSTS: Route = { kind: 'hosts', hosts: [{ host: 'mx.far.test', preference: 10 }] }
const FAR = 'egress|default|mx.far.test'
/** Where its hosts are not known. */
const FAR_BY_DOMAIN = 'egress|default|far.test'

describe('deliveries', () => {
  let directory: string
  let store: MemoryStore
  let rules: EgressRules
  let route: () => Route | Promise<Route>
  let limits: Partial<PathLimits>
  let suspended: string[]
  let most: number
  let sourceNow: Source
  let addresses: string[]
  let deliveries: Deliveries
  let records: DeliveryRecords
  let ended: AttemptEnd[]
  let told: Told[]
  let notices: string[]
  let failures: string[]
  let split: [filename: string, most: number][]
  let diskIsFull: boolean
  let paused: Untried | undefined
  let mostOfSession: number | undefined
  /** Messages that Haraka went on with, in order. */
  let proceeded: FakeItem[]

  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval', 'Date'], now: QUEUED_AT })
    directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-deliveries-'))
    store = new MemoryStore({ clock: () => Date.now() })
    rules = RULES
    ;[paused, mostOfSession] = [undefined, undefined]
    route = () => HOSTS
    ;[limits, suspended, most, addresses] = [{}, [], 100, ['192.0.2.1']]
    sourceNow = { name: 'default', bind: undefined, bind6: undefined, helo: undefined }
    ;[ended, told, notices, failures, split, proceeded, diskIsFull] = [[], [], [], [], [], [], false]
    const book = new PathBook(() => rules)
    records = new DeliveryRecords(book, () => BY_CODE_ALONE)
    const endings = new Endings({
      lifetimes: () => ({ lifetimeMs: 24 * HOUR, bounceLifetimeMs: 4 * HOUR, delayNoticeMs: 2 * HOUR }),
      retryOf: (item) => records.profileOf(item).retry,
      stretchOf: () => 1,
      lastAttempt: (item) => records.lastAttempt(item),
      onGivenUp: (item) => records.noteGivenUp(item),
      delayFor: () => 0,
      onUntried: (item, untried) => records.noteUntried(item, untried),
      onDeferred: (item, at) => records.noteRetry(item, at),
      intervals: () => [],
      reporter: { tell: (one: Told) => Promise.resolve(void told.push(one)) } as unknown as Reporter,
      store: () => store,
      readAgain: () => undefined,
      onNotice: (message) => void notices.push(message),
      onFailure: (what) => void failures.push(what),
    })
    const planner = new Planner({
      book,
      routes: {
        find: async () => await route(),
        addressesOf: ([host]: readonly { host: string }[]) =>
          Promise.resolve(addresses.map((exchange) => ({ exchange, from_dns: host!.host, priority: 0 }))),
      } as unknown as Routes,
      labelOf: ({ todo }) => ({
        ...OWN_MAIL,
        mailClass: (todo!.notes.class as MailClass | undefined) ?? 'system',
      }),
      sourceFor: () => sourceNow,
    })
    deliveries = new Deliveries({
      ...deliveriesOptions({ book, planner, records, endings, store: () => store }),
      pausedBy: () => paused,
      mostSessionMessages: () => mostOfSession,
      limitsOf: ({ path: name, profile }) => ({
        connections: profile.connections,
        rate: undefined,
        suspendedUntil: suspended.includes(name) ? Infinity : undefined,
        ...limits,
      }),
      mostUnderWay: () => most,
      splitUp: async (item, most) => {
        if (diskIsFull) throw new Error('disk full')
        await Promise.resolve(split.push([item.filename, most]))
      },
      onAttempt: (end) => ended.push(end),
      onFailure: (what, error) => void failures.push(`${what}: ${String(error)}`),
      onNotice: (message) => void notices.push(message),
    })
  })
  afterEach(() => {
    deliveries.close()
    mock.timers.reset()
    rmSync(directory, { recursive: true })
  })

  const admit = (options: FakeOptions = {}): Promise<FakeItem> =>
    handOver(deliveries, directory, options, (fake) => proceeded.push(fake))
  const begun = (): Promise<void> => systemAnswers(directory)
  const underWay = () => deliveries.loads().reduce((sum, load) => sum + load.underWay, 0)
  const held = () => [...deliveries.inHand()].flatMap((one) => (one.isWaiting ? [one.path] : []))

  it('give the slot of Haraka back at once, and let the message go on when its path has room', async () => {
    limits = { connections: 1 }
    const [one, two] = [await admit(), await admit()]
    assert.deepEqual([one.calls, two.calls], [['over'], ['over']])
    assert.deepEqual(proceeded, [one])
    assert.deepEqual([underWay(), held()], [1, [FAR]])
    one.next_cb()
    await begun()
    assert.deepEqual(proceeded, [one, two])
    two.next_cb()
    await begun()
    assert.deepEqual([deliveries.loads(), held()], [[], []])
    assert.deepEqual([one.calls, failures], [['over'], []], 'its slot is given back once')
  })

  it('know a message that waits or is under way already, under whatever name', async () => {
    limits = { connections: 1 }
    const one = await admit()
    const waits = await admit()
    for (const { filename } of [one, waits]) {
      const parts = filename.split('_')
      const copy = await admit({ filename: [parts[0], 5, 1, 78, parts[4], 9, 'host'].join('_') })
      assert.deepEqual(copy.calls, ['over'])
    }
    assert.equal(notices.filter((notice) => notice.endsWith('a second copy is left alone')).length, 2)
    for (const fake of [one, waits]) {
      fake.next_cb()
      await begun()
    }
    await admit({ filename: one.filename })
    assert.equal(proceeded.length, 3, 'it may come again when it is over')
  })

  it('end once, in however many ways Haraka says so', async () => {
    const one = await admit()
    for (let time = 0; time < 3; time++) one.next_cb()
    await begun()
    assert.equal(ended.length, 1)
    assert.deepEqual([underWay(), ended[0]!.path.path], [0, FAR])
  })

  it('are under way no more than the process bears, over all paths, and the rest follows', async () => {
    most = 2
    const all = [await admit(), await admit(), await admit(), await admit()]
    assert.equal(proceeded.length, 2)
    for (let index = 0; index < all.length; index++) {
      proceeded[index]!.next_cb()
      await begun()
      assert.ok(proceeded.length - index - 1 <= 2)
    }
    assert.equal(new Set(proceeded).size, 4)
    assert.equal(ended.length, 4)
  })

  it('tell the path when the message is tried again', async () => {
    const one = await admit()
    records.noteRetry(one.item, 1234)
    one.next_cb()
    assert.equal(ended[0]!.retryAt, 1234)
  })

  it('know the last attempt from when it begins, also of those that Haraka splits off', async () => {
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'] })
    const attempt = deliveries.attemptOf(one.item)
    assert.ok(attempt)
    assert.equal(records.lastAttempt(one.item)!.attempt, attempt)
    const part = new FakeItem({ uuid: one.todo!.uuid, recipients: ['b@far.test'] })
    assert.equal(records.lastAttempt(part.item)!.attempt, attempt)
  })

  it('leave a message alone whose file is gone', async () => {
    limits = { connections: 1 }
    const [one, two, three] = [await admit(), await admit(), await admit()]
    unlinkSync(two.path)
    one.next_cb()
    await begun()
    assert.deepEqual(proceeded, [one, three])
    assert.match(notices[0]!, /is gone: it was delivered as another copy, or removed by hand/)
    assert.equal(ended.length, 1)
  })

  it('go to the hosts that their domain has now when they have waited for long, by the path of these', async () => {
    suspended = [FAR]
    const one = await admit()
    mock.timers.tick(6 * 60_000)
    route = () => ({ kind: 'hosts', hosts: [{ host: 'mx.new.test', preference: 0 }] })
    suspended = []
    deliveries.pump(FAR)
    await begun()
    assert.deepEqual([proceeded, records.of(one.item)!.path.path], [[one], 'egress|default|mx.new.test'])
    one.next_cb()
    await begun()
    assert.deepEqual([ended.length, deliveries.loads(), failures], [1, [], []])
  })

  it('hand Haraka the addresses of hosts, or put the message off when there is none', async () => {
    addresses = ['192.0.2.1']
    const one = await admit()
    one.get_mx()
    const mx = { exchange: '192.0.2.1', from_dns: 'mx.far.test', priority: 0, bind_helo: sourceNow.helo }
    assert.equal(one.calls.at(-1), `get_mx 906 ${JSON.stringify([mx])}`)
    addresses = []
    const two = await admit()
    two.get_mx()
    const why = 'None of the mail servers of far.test has an address that can be got to from here.'
    assert.equal(two.calls.at(-1), `deferred: ${why}`)
  })

  describe('end at once', () => {
    it('what is too old', async () => {
      const one = await admit({ queuedAt: QUEUED_AT - 25 * HOUR })
      assert.equal(one.calls.at(-1), 'bounced: given up: it has waited too long for its turn')
      assert.deepEqual([proceeded, one.hooks_to_run], [[], []])
    })

    it('what is too large for the path', async () => {
      rules = { ...RULES, base: layer('default', '', { ...BASE_FIGURES, size: 2000 }) }
      const [large, fits] = [await admit({ bytes: 2001 }), await admit({ bytes: 2000 })]
      assert.match(large.calls.at(-1)!, /^bounced: The message is larger than 2000 bytes/)
      large.next_cb()
      assert.deepEqual([ended[0]!.path.path, ended[0]!.untried?.status], [FAR, '5.3.4'])
      assert.deepEqual(proceeded, [fits])
    })

    it('what is of a sender who is paused: it is put off, also where that was ordered while it waited', async () => {
      paused = senderPaused('account ann@near.test', 'K7Q2MX')
      const one = await admit()
      assert.match(one.calls.at(-1)!, /^deferred: Sending is paused here for account ann@near.test .*K7Q2MX/)
      one.next_cb()
      assert.deepEqual([ended[0]!.untried?.status, proceeded], ['4.7.1', []])
      ;[paused, suspended] = [undefined, [FAR]]
      const waiting = await admit()
      ;[paused, suspended] = [senderPaused('tenant acme', 'K7Q2MX'), []]
      deliveries.pump(FAR)
      // The runner's time limit is the bound.
      while (proceeded.length === 0) await begun()
      waiting.get_mx()
      assert.match(waiting.calls.at(-1)!, /^deferred: Sending is paused here for tenant acme/)
    })

    it('what has nowhere to go, for why that is and not for what was answered before', async () => {
      const first = await admit({ uuid: 'same' })
      first.next_cb()
      const before = records.lastAttempt(first.item)!.attempt
      route = () => ({ kind: 'nowhere', isFinal: false, status: '4.4.3', why: 'DNS does not say.' })
      const one = await admit({ uuid: 'same', failures: 3 })
      assert.equal(one.calls.at(-1), 'deferred: DNS does not say.')
      assert.notEqual(records.lastAttempt(one.item)!.attempt, before)
      assert.equal(records.lastAttempt(one.item)!.attempt.lastCause, undefined)
      records.noteRetry(one.item, 1234)
      one.next_cb()
      one.next_cb()
      assert.deepEqual(
        ended.slice(1).map(({ untried, retryAt, path: { path: name } }) => [untried?.why, retryAt, name]),
        [['DNS does not say.', 1234, FAR_BY_DOMAIN]],
      )
      await admit({ filename: one.filename })
      assert.equal(notices.length, 0, 'it may come again')
    })

    it('what cannot be placed, for now', async () => {
      route = () => Promise.reject(new Error('oops'))
      const one = await admit()
      assert.equal(one.calls.at(-1), 'deferred: It could not be placed: Error: oops')
      assert.deepEqual(failures, ['placing a message: Error: oops'])
    })
  })

  it('make several messages of one with too many recipients, which Haraka hands over again', async () => {
    rules = { ...RULES, base: layer('default', '', { ...BASE_FIGURES, recipients: 2 }) }
    const recipients = ['a', 'b', 'c'].map((name) => `${name}@far.test`)
    const one = await admit({ recipients })
    await settle()
    assert.deepEqual(split, [[one.filename, 2]])
    assert.deepEqual([one.calls, proceeded, held()], [['over'], [], []])
    diskIsFull = true
    const two = await admit({ recipients })
    await settle()
    assert.equal(two.calls.at(-1), 'deferred: It could not be placed: Error: disk full')
  })

  it('remember whom Haraka has split off, until they are tried again', async () => {
    const one = await admit({ recipients: ['a@far.test', 'b@far.test'] })
    const part = new FakeItem({ recipients: ['b@far.test'] })
    deliveries.adopt(part.item, one.item)
    assert.equal(records.of(part.item)!.path.path, FAR)
    records.noteRetry(part.item, 1234)
    part.next_cb()
    const { item, path: at } = deliveries.recall(messageId(part.filename))!
    assert.deepEqual([item, at], [part.item, FAR])
    assert.equal(records.of(one.item)!.retryAt, undefined)
    one.next_cb()
    assert.equal(deliveries.recall(messageId(one.filename)), undefined)
  })

  describe('that wait', () => {
    it('are given up in time, and told of when they are late, once', async () => {
      suspended = [FAR]
      const one = await admit()
      mock.timers.tick(2 * HOUR - 60_000)
      await settle()
      assert.equal(told.length, 0)
      for (let time = 0; time < 3; time++) {
        mock.timers.tick(60_000)
        await settle()
      }
      assert.deepEqual(
        told.map(({ kind, error }) => [kind, error]),
        [['delayed', 'It waits for its turn: its provider takes no more at a time.']],
      )
      for (let hour = 0; hour < 22; hour++) mock.timers.tick(HOUR)
      await settle()
      assert.deepEqual(one.calls, ['over'])
      mock.timers.tick(11 * 60_000)
      await settle()
      assert.equal(one.calls.at(-1), 'bounced: given up: it has waited too long for its turn')
      assert.deepEqual(held(), [])
      one.next_cb()
      assert.deepEqual(
        ended.map(({ untried, path: { path: name } }) => [untried?.status, name]),
        [['5.4.7', FAR]],
      )
    })

    it('go by another source when theirs is suspended, those of other paths stay', async () => {
      sourceNow = source('one')
      suspended = ['egress|one|mx.far.test']
      const all = [await admit(), await admit()]
      sourceNow = source('two')
      suspended.push('egress|two|mx.far.test')
      await admit()
      assert.deepEqual(held(), [...Array<string>(2).fill('egress|one|mx.far.test'), 'egress|two|mx.far.test'])
      await deliveries.reconsider((name) => name === 'nothing')
      assert.equal(held().filter((name) => name === 'egress|one|mx.far.test').length, 2)
      suspended = ['egress|one|mx.far.test']
      await deliveries.reconsider((name) => suspended.includes(name))
      await begun()
      assert.equal(proceeded.length, 3)
      assert.deepEqual(held(), [])
      for (const fake of proceeded) fake.next_cb()
      assert.deepEqual(new Set(ended.map((end) => end.path.path)), new Set(['egress|two|mx.far.test']))
      assert.ok(all.every((fake) => proceeded.includes(fake)))
    })

    it('go by the rules in force, also where these lead them to another path', async () => {
      suspended = [FAR]
      await admit()
      rules = { ...RULES, domains: new Map([['far.test', layer('domain', 'far.test', { connections: 1 })]]) }
      await deliveries.reconsider()
      await begun()
      assert.equal(proceeded.length, 1)
      assert.equal(records.profileOf(proceeded[0]!.item).connections, 1)
      await admit()
      assert.deepEqual(held(), ['egress|default|@far.test'], 'it waits for the one connection')
      rules = RULES
      suspended = []
      await deliveries.reconsider()
      await begun()
      assert.equal(proceeded.length, 2)
    })

    it('stay in their files when the process ends', async () => {
      limits = { connections: 1 }
      const [one] = [await admit(), await admit()]
      deliveries.close()
      one.next_cb()
      await begun()
      assert.deepEqual(proceeded, [one])
    })
  })
})
