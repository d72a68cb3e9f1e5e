import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Answer, type GuardFailure, guard } from '../../../src/haraka/guard'
import { type Connection, DENYSOFT, type HarakaPlugin } from '../../../src/haraka/types'

/** Runs a guarded body and collects every call of `next` until `settle` resolves. */
async function run(body: () => Answer | Promise<Answer>, settle: () => Promise<void>, deadlineMs = 1000) {
  const calls: unknown[][] = []
  const failures: GuardFailure[] = []
  const context = { deadlineMs, reportFailure: (failure: GuardFailure) => void failures.push(failure) }
  const hook = guard('test', 'mail', () => context, body)
  hook.call({} as HarakaPlugin, (...args: unknown[]) => void calls.push(args), {} as Connection)
  await settle()
  return { calls, failures }
}

const soon = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('guard', () => {
  it('answers at once when the body does', async () => {
    const { calls } = await run(
      () => ({ code: DENYSOFT, message: 'later' }),
      () => Promise.resolve(),
    )
    assert.deepEqual(calls, [[DENYSOFT, 'later']])
  })

  it('goes on, and tells, when the body throws or rejects', async () => {
    for (const body of [
      () => {
        throw new Error('oops')
      },
      () => Promise.reject(new Error('oops')),
    ]) {
      const { calls, failures } = await run(body, soon)
      assert.deepEqual(calls, [[]])
      assert.equal(failures.length, 1)
      assert.equal(failures[0]!.failure, 'error')
      assert.match(failures[0]!.message, /oops/)
    }
  })

  it('goes on at the deadline, and ignores an answer that comes later', async () => {
    let answer: (value: Answer) => void = () => undefined
    const late = new Promise<Answer>((resolve) => (answer = resolve))
    const { calls, failures } = await run(
      () => late,
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        answer({ code: DENYSOFT })
        await soon()
      },
      10,
    )
    assert.deepEqual(calls, [[]])
    assert.equal(failures[0]?.failure, 'deadline')
  })

  it('calls next exactly once, whatever happens', async () => {
    const outcome = fc.constantFrom('sync', 'throw', 'resolve', 'reject', 'never')
    await fc.assert(
      fc.asyncProperty(outcome, async (kind) => {
        const body = (): Answer | Promise<Answer> => {
          if (kind === 'sync') return undefined
          if (kind === 'throw') throw new Error('x')
          if (kind === 'resolve') return Promise.resolve({ code: DENYSOFT })
          if (kind === 'reject') return Promise.reject(new Error('x'))
          return new Promise<Answer>(() => undefined)
        }
        const { calls } = await run(body, () => new Promise((resolve) => setTimeout(resolve, 5)), 1)
        assert.equal(calls.length, 1)
      }),
      { numRuns: 40 },
    )
  })
})
