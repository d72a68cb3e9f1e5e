import assert from 'node:assert/strict'
import fc from 'fast-check'
import { senderTarget, sendersOf } from '../../src/egress/sender-target'
import type { Feedback } from '../../src/feedback/feedback'
import { COUNTERS, Counting, noCounts } from '../../src/feedback/guard/counting'
import { type Figures, tellCounts } from '../../src/feedback/guard/figures'
import { BUSY, FULL, GUARD, GuardScene, answerOf, said } from '../unit/feedback/guard/guard-scene'

const ACCOUNTS = ['ann@example.com', 'bob@example.com', 'eve@example.org']

/** Anything that may be said of a few recipients of a few senders, in any order, also what makes no sense. */
const anyWord = fc
  .record({
    kind: fc.constantFrom('delivered', 'deferred', 'bounced', 'complaint', 'unsubscribe'),
    answer: fc.constantFrom(undefined, FULL, BUSY, answerOf()),
    account: fc.constantFrom(...ACCOUNTS),
    campaign: fc.constantFrom(undefined, 'spring'),
    message: fc.constantFrom('A.1', 'B.1'),
    recipient: fc.integer({ min: 0, max: 20 }).map((number) => `r${number}@far.test`),
  })
  .map(({ kind, answer, ...of }) => said(kind, answer, of))
const anyWords = fc.array(anyWord, { maxLength: 200 })

async function figuresOf({ store, guard }: GuardScene, target: string): Promise<Figures> {
  return (await tellCounts(store, [{ target, counts: noCounts() }], guard))![0]!
}

const targetsOf = (words: readonly Feedback[]) =>
  new Set(words.flatMap(({ origin }) => sendersOf(origin).map(senderTarget)))

describe('what is counted of senders, whatever is said', () => {
  it('is no more than was said, and no part of it more than its whole', () =>
    fc.assert(
      fc.property(anyWords, (words) => {
        const counting = new Counting()
        const sum = noCounts()
        for (const word of words) {
          const counts = counting.countsOf(word) ?? noCounts()
          for (const counter of COUNTERS) sum[counter] += counts[counter]
          assert.ok(counts.soft <= counts.begun && counts.hard <= counts.ended && counts.delivered <= counts.ended)
        }
        const ends = words.filter(({ kind }) => kind === 'delivered' || kind === 'bounced').length
        assert.equal(sum.ended, ends)
        assert.equal(sum.complaints, words.filter(({ kind }) => kind === 'complaint').length)
        const recipients = new Set(words.map(({ origin, recipient }) => `${origin.message} ${recipient}`)).size
        assert.ok(sum.begun <= recipients + ends, `${sum.begun} of ${recipients} recipients with ${ends} ends`)
      }),
    ))

  it('is the same however many processes hear it, and whenever they tell', () =>
    fc.assert(
      fc.asyncProperty(anyWords, fc.integer({ min: 1, max: 20 }), async (words, each) => {
        const [one, two] = [await GuardScene.of(1), await GuardScene.of(2)]
        // Nobody is held, so that all is counted for everybody.
        one.guard = two.guard = { ...GUARD, least: 10_000, complaints: { ...GUARD.complaints, least: 10_000 } }
        // A message is of one process for as long as it is queued.
        const isFirst = ({ origin }: Feedback) => origin.message === 'A.1'
        for (let start = 0; start < words.length; start += each) {
          const some = words.slice(start, start + each)
          one.processes[0]!.guard.note(some)
          two.processes[0]!.guard.note(some.filter(isFirst))
          two.processes[1]!.guard.note(some.filter((word) => !isFirst(word)))
          await Promise.all(two.processes.map(({ guard }) => guard.settled()))
        }
        await one.settle()
        await two.settle()
        for (const target of targetsOf(words)) {
          const [alone, together] = [await figuresOf(one, target), await figuresOf(two, target)]
          assert.deepEqual(together, alone)
          assert.ok(alone.soft <= alone.begun && alone.hard <= alone.ended)
        }
        assert.deepEqual([one.failures, two.failures], [[], []])
      }),
      { numRuns: 50 },
    ))

  it('holds a sender once for each step, with figures and an end', () =>
    fc.assert(
      fc.asyncProperty(fc.array(anyWords, { maxLength: 6 }), async (all) => {
        const scene = await GuardScene.of(2)
        scene.guard = { ...GUARD, least: 5, complaints: { ...GUARD.complaints, least: 5 } }
        for (const words of all) await scene.hear(words)
        const paused = scene.steps.filter(({ kind }) => kind === 'pause').map(({ target }) => target)
        assert.equal(new Set(paused).size, paused.length)
        for (const { evidence, action } of scene.steps) {
          const [, count, of] = /^(\d+) of (\d+) recipients/.exec(evidence)!.map(Number)
          assert.ok(count! <= of! || evidence.includes('complained'), evidence)
          assert.ok(action.until > action.since)
        }
        assert.deepEqual(scene.failures, [])
      }),
      { numRuns: 50 },
    ))
})
