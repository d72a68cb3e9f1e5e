import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Attempt } from '../../../../src/egress/attempt'
import { Endings, tooLarge } from '../../../../src/haraka/outbound/endings'
import type { Untried } from '../../../../src/haraka/outbound/attempt-event'
import type { QueueItem, QueuedRecipient } from '../../../../src/haraka/outbound/queue-item'
import type { Reporter, Told } from '../../../../src/haraka/outbound/reports'
import { DENYSOFT, OK } from '../../../../src/haraka/types'
import { MemoryStore } from '../../../../src/store/memory/memory-store'
import { FakeItem, QUEUED_AT, settle } from './fake-item'

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000]

describe('how messages end that were not delivered', () => {
  let now: number
  let store: MemoryStore
  let told: Told[]
  let notices: string[]
  let failures: string[]
  let again: number[]
  let deferredUntil: number[]
  let untried: Untried[]
  let cannotReport: boolean
  let stretch: number
  let delayMs: number
  let delayNoticeMs: number | undefined
  let intervals: number[]
  let attempt: Attempt | undefined

  beforeEach(() => {
    now = QUEUED_AT
    store = new MemoryStore({ clock: () => now })
    ;[told, notices, failures, again, deferredUntil, untried, intervals] = [[], [], [], [], [], [], [64]]
    cannotReport = false
    ;[delayMs, stretch] = [0, 1]
    delayNoticeMs = undefined
    attempt = undefined
  })

  const process = () =>
    new Endings({
      lifetimes: () => ({ lifetimeMs: 24 * HOUR, bounceLifetimeMs: 4 * HOUR, delayNoticeMs }),
      retryOf: () => ({ firstMs: 5 * MINUTE, factor: 2, longestMs: 2 * HOUR, jitter: 0 }),
      stretchOf: () => stretch,
      lastAttempt: () => attempt && { attempt, at: now - 1 },
      onGivenUp: () => undefined,
      delayFor: () => delayMs,
      onUntried: (_, why) => void untried.push(why),
      onDeferred: (_, at) => deferredUntil.push(at),
      intervals: () => intervals,
      reporter: {
        tell: async (one: Told) => {
          await Promise.resolve()
          if (cannotReport) throw new Error('disk full')
          told.push(one)
        },
      } as unknown as Reporter,
      store: () => store,
      readAgain: (_, afterMs) => void again.push(afterMs),
      onNotice: (message) => void notices.push(message),
      onFailure: (what, error) => void failures.push(`${what}: ${String(error)}`),
      clock: () => now,
    })

  /** What hook deferred answers: seconds; undefined when it gives no answer. */
  async function defer(endings: Endings, fake: FakeItem, err = '451 4.3.0 later'): Promise<number | undefined> {
    fake.num_failures++
    let seconds: number | undefined
    endings.defer(
      (code, text) => {
        assert.equal(code, DENYSOFT)
        seconds = Number(text)
      },
      fake.item,
      { err },
    )
    await settle()
    return seconds
  }

  describe('for now', () => {
    it('are tried again by their profile, and the path is told when', async () => {
      const [endings, fake] = [process(), new FakeItem()]
      const waits = []
      for (let time = 0; time < 6; time++) waits.push(await defer(endings, fake))
      assert.deepEqual(waits, [300, 600, 1200, 2400, 4800, 7200])
      assert.equal(deferredUntil[0], now + 300 * SECOND)
    })

    it('are tried when the host asks for it, if that is later', async () => {
      assert.equal(await defer(process(), new FakeItem(), '451 4.7.1 try again in 15 minutes'), 900)
      assert.equal(await defer(process(), new FakeItem(), '451 4.7.1 try again in 3 seconds'), 300)
    })

    it('wait longer while their path goes slower', async () => {
      stretch = 2
      assert.equal(await defer(process(), new FakeItem()), 600)
      stretch = 1
      assert.equal(await defer(process(), new FakeItem()), 300)
    })

    it('are left alone for as long as a rule says', async () => {
      delayMs = 30 * MINUTE
      assert.equal(await defer(process(), new FakeItem(), '452 4.2.2 Mailbox full'), 1800)
      delayMs = 1000
      assert.equal(await defer(process(), new FakeItem(), '452 4.2.2 Mailbox full'), 300)
    })

    it('are tried when the host asks for it for any recipient', async () => {
      const fake = new FakeItem({ recipients: ['a@far.test', 'b@far.test'] })
      fake.todo!.rcpt_to[1]!.dsn_smtp_response = 'greylisted, retry after 1800 seconds'
      assert.equal(await defer(process(), fake, 'Some recipients temp failed'), 1800)
    })

    it('are tried the last time when their time ends, and then given up for what was said', async () => {
      const [endings, fake] = [process(), new FakeItem({ failures: 20 })]
      now = QUEUED_AT + 23 * HOUR + 50 * MINUTE
      assert.equal(await defer(endings, fake), 600)
      now = QUEUED_AT + 24 * HOUR + 1
      assert.equal(await defer(endings, fake), undefined)
      assert.deepEqual(fake.calls, ['bounced: given up after 22 attempts: 451 4.3.0 later'])
      assert.deepEqual(fake.hooks_to_run, [], 'Haraka would find its hook running')
    })

    it('are given up sooner when they are bounces', async () => {
      const [endings, fake] = [process(), new FakeItem({ sender: '' })]
      now = QUEUED_AT + 4 * HOUR
      assert.equal(await defer(endings, fake), undefined)
      assert.equal(fake.calls.length, 1)
    })

    it('are never given up by Haraka for the number of attempts, and old answers are forgotten', () => {
      const fake = new FakeItem({ failures: 7 })
      const [recipient] = fake.todo!.rcpt_to
      Object.assign(recipient!, { dsn_status: '4.3.0', dsn_smtp_response: 'later' })
      process().prepare(fake.item)
      assert.deepEqual(intervals, Array(9).fill(64))
      assert.deepEqual(Object.keys(recipient!), ['user', 'host', 'address'])
      intervals = []
      process().prepare(fake.item)
      assert.equal(intervals.length, 9)
      assert.ok(intervals.every((seconds) => seconds >= 1))
    })
  })

  describe('because Haraka has left out all hosts', () => {
    it('say that these are this machine, to the sender too', async () => {
      attempt = new Attempt(['bob@far.test'])
      const fake = new FakeItem()
      assert.equal(await defer(process(), fake, 'Tried all MXs'), 300)
      const [{ why, status, isFinal }] = untried as [Untried]
      assert.equal(why, 'Every mail server of far.test is this machine itself, to which it sends no mail.')
      assert.deepEqual([status, isFinal], ['4.4.6', false])
      const [{ dsn_status, dsn_msg, dsn_action }] = fake.todo!.rcpt_to as [QueuedRecipient]
      assert.deepEqual([dsn_status, dsn_msg, dsn_action], ['4.4.6', why, 'delayed'])
    })

    it('say nothing of that when one was asked', async () => {
      attempt = new Attempt(['bob@far.test'])
      attempt.tries({ host: 'mx.far.test', ip: '192.0.2.1', port: 25 })
      await defer(process(), new FakeItem(), 'Tried all MXs')
      assert.deepEqual(untried, [])
    })
  })

  describe('while they wait', () => {
    it('are too old only some minutes after their time: the last attempt may be a little late', () => {
      const [endings, { todo }] = [process(), new FakeItem()]
      now = QUEUED_AT + 24 * HOUR + 9 * MINUTE
      assert.equal(endings.isTooOld(todo!), false)
      now += 2 * MINUTE
      assert.equal(endings.isTooOld(todo!), true)
    })

    it('are reported as too old then', async () => {
      const [endings, fake] = [process(), new FakeItem()]
      endings.expire(fake.item)
      assert.deepEqual(fake.calls, ['bounced: given up: it has waited too long for its turn'])
      endings.sendBack(() => undefined, fake.item, new Error('given up'))
      await settle()
      assert.deepEqual([told[0]!.kind, told[0]!.hasExpired], ['failed', true])
    })
  })

  describe('late', () => {
    beforeEach(() => (delayNoticeMs = 4 * HOUR))

    it('are told of once, by however many processes and restarts', async () => {
      const [endings, fake] = [process(), new FakeItem()]
      await defer(endings, fake)
      assert.equal(told.length, 0)
      now = QUEUED_AT + 4 * HOUR
      assert.ok(await defer(endings, fake))
      assert.ok(await defer(endings, fake))
      assert.deepEqual([told[0]!.kind, told[0]!.error, told[0]!.hasExpired], ['delayed', '451 4.3.0 later', false])
      assert.equal(told[0]!.retryUntil, QUEUED_AT + 24 * HOUR)
      const parts = fake.filename.split('_')
      const renamed = new FakeItem({ filename: [parts[0], 1, 3, 78, parts[4], 2, 'host'].join('_') })
      assert.ok(await defer(process(), renamed))
      assert.equal(told.length, 1)
      assert.ok(await defer(process(), new FakeItem()))
      assert.equal(told.length, 2, 'of another message')
    })

    it('are not renamed before the notice has read them', async () => {
      const [endings, fake] = [process(), new FakeItem({ failures: 1 })]
      now = QUEUED_AT + 4 * HOUR
      let order = ''
      const judge = store.judge.bind(store)
      store.judge = (asks) => {
        order += 'asked '
        return judge(asks)
      }
      endings.defer(() => (order += `answered, ${told.length} told`), fake.item, { err: 'later' })
      await settle()
      assert.equal(order, 'asked answered, 1 told')
    })

    it('are tried again although the notice cannot be queued, or the store not be asked', async () => {
      now = QUEUED_AT + 4 * HOUR
      cannotReport = true
      assert.ok(await defer(process(), new FakeItem()))
      store.judge = () => {
        throw new Error('no store')
      }
      assert.ok(await defer(process(), new FakeItem()))
      assert.deepEqual(failures, ['telling of a delay: Error: disk full', 'telling of a delay: Error: no store'])
    })

    it('are told of to nobody when they are bounces', async () => {
      now = QUEUED_AT + 3 * HOUR
      delayNoticeMs = HOUR
      assert.ok(await defer(process(), new FakeItem({ sender: '' })))
      assert.equal(told.length, 0)
    })
  })

  describe('for good', () => {
    const sendBack = async (endings: Endings, item: QueueItem, why = '550 no such user') => {
      let answer: number | undefined | 'none' = 'none'
      endings.sendBack((code) => (answer = code), item, new Error(why))
      await settle()
      return answer
    }

    it('are reported with the last attempt, and then removed', async () => {
      attempt = new Attempt(['bob@far.test'])
      const fake = new FakeItem()
      assert.equal(await sendBack(process(), fake.item), OK)
      assert.deepEqual(
        told.map(({ kind, hasExpired }) => [kind, hasExpired]),
        [['failed', false]],
      )
      assert.equal(told[0]!.attempt, attempt)
      assert.equal(told[0]!.lastAttemptAt, now - 1)
      assert.equal(told[0]!.retryUntil, undefined)
    })

    it('are left to Haraka when they are bounces, which removes them', async () => {
      assert.equal(await sendBack(process(), new FakeItem({ sender: '' }).item), undefined)
      assert.equal(told.length, 0)
    })

    it('stay when the report cannot be queued, and come again in minutes', async () => {
      cannotReport = true
      const [endings, fake] = [process(), new FakeItem()]
      assert.equal(await sendBack(endings, fake.item), 'none')
      assert.deepEqual(fake.calls, ['deferred: the report to its sender could not be queued'])
      assert.deepEqual(fake.hooks_to_run, [])
      assert.deepEqual(failures, ['reporting a failure: Error: disk full'])
      now = QUEUED_AT + 48 * HOUR
      assert.equal(await defer(endings, fake, 'the report to its sender could not be queued'), 300)
    })

    it('say their size when that is why', () => {
      const fake = new FakeItem()
      process().endUntried(fake.item, tooLarge(5000))
      assert.equal(fake.todo!.rcpt_to[0]!.dsn_status, '5.3.4')
      assert.match(fake.calls[0]!, /^bounced: The message is larger than 5000 bytes/)
    })

    it('say where they could not go', () => {
      const why = 'far.test takes no mail.'
      const [final, later] = [new FakeItem(), new FakeItem()]
      process().endUntried(final.item, { isFinal: true, status: '5.1.2', why })
      process().endUntried(later.item, { isFinal: false, status: '4.4.3', why })
      assert.deepEqual([final.calls, later.calls], [[`bounced: ${why}`], [`deferred: ${why}`]])
      const { dsn_status: status, dsn_msg: text } = later.todo!.rcpt_to[0]!
      assert.deepEqual([status, text], ['4.4.3', why])
    })
  })

  describe('of which the file cannot be read', () => {
    let directory: string
    beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-queue-'))))
    afterEach(() => rmSync(directory, { recursive: true }))

    const unread = (name: string) => new FakeItem({ unread: true, filename: name, path: path.join(directory, name) })
    const NAME = '1790000000000_1790000000001_0_77_aBcDeF_1_host'

    it('are read again some times, ever later, and then set aside', async () => {
      const endings = process()
      writeFileSync(path.join(directory, NAME), 'xx')
      for (let time = 0; time < 6; time++) {
        const fake = unread(NAME)
        const slotIsBack = new Promise<void>((resolve) => (fake.next_cb = resolve))
        assert.equal(await defer(endings, fake, 'no JSON'), undefined)
        await slotIsBack
      }
      assert.deepEqual(
        again,
        [1, 2, 3, 4, 5].map((times) => times * MINUTE),
      )
      assert.equal(existsSync(path.join(directory, `error.${NAME}`)), true)
      assert.match(notices[0]!, /cannot be read and was set aside as error\..*: no JSON$/)
    })

    it('are nothing when they are gone', async () => {
      const fake = unread(NAME)
      await defer(process(), fake)
      assert.deepEqual([fake.calls, again], [['over'], []])
      assert.match(notices[0]!, /is gone before it was read/)
    })
  })
})
