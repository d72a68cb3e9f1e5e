import assert from 'node:assert/strict'
import type { Remedy, Rule } from '../../../src/policy/decision'
import type { Gate } from '../../../src/policy/gate'
import { isEnforced, type Mode } from '../../../src/policy/mode'
import { judgeStage, planGates } from '../../../src/policy/pipeline'
import type { Outcome } from '../../../src/policy/decision'
import type { Stage } from '../../../src/policy/subject'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { type Ask, type MeritAsk, type Store, StoreError, type Verdict } from '../../../src/store/store'
import { rule, subject } from '../telemetry/fixtures'

/** A memory store that counts its batches and can be made to fail. */
class CountingStore extends MemoryStore {
  readonly batches: (readonly Ask[])[] = []
  failure: Error | undefined

  override judge(asks: readonly Ask[]): Verdict {
    this.batches.push(asks)
    if (this.failure) throw this.failure
    return super.judge(asks)
  }
}

interface Counter {
  readonly name: string
  readonly plugin?: string
  readonly mode?: Mode
  readonly limit?: number
  readonly windowMs?: number
  readonly remedy?: Remedy
  readonly onError?: Rule['onError']
  readonly ends?: boolean
}

const ENFORCE: Mode = { kind: 'enforce' }
const SHADOW: Mode = { kind: 'shadow' }

/** A gate that counts one key per rule. */
function gateOf(plugin: string, counters: readonly Counter[], stages: readonly Stage[] = ['mail']): Gate {
  return {
    plugin,
    stages,
    ask: (_subject, asks) => {
      for (const { name, mode = ENFORCE, limit = 1, windowMs = 60_000, remedy, onError, ends } of counters) {
        const own = rule({
          name,
          plugin,
          mode,
          ...(remedy && { remedy }),
          ...(onError && { onError }),
          ...(ends && { ends }),
        })
        const ask = { op: 'window', key: name, cost: 1, windows: [{ limit, windowMs }] } as const
        asks.push({ rule: own, ask: { ...ask, enforced: isEnforced(mode, name) } })
      }
    },
  }
}

/** A gate of the session's own counters: finds something, without the store. */
function findingGate(mode: Mode): Gate {
  const own = rule({ name: 'session_errors', plugin: 'connections', mode, ends: true })
  const found = { key: 'k', count: 9, limit: 5, windowMs: 0, retryAfterMs: 0, reason: 'limit' } as const
  return {
    plugin: 'connections',
    stages: ['mail'],
    ask: () => undefined,
    inspect: (_subject, findings) => findings.push({ rule: own, enforced: isEnforced(mode, 'k'), ...found }),
  }
}

describe('judging a stage', () => {
  let now: number
  let store: CountingStore

  beforeEach(() => {
    now = 1_000_000
    store = new CountingStore({ clock: () => now })
  })

  function judge(gates: readonly Gate[], on: Store = store): Outcome {
    const outcome = judgeStage(planGates(gates), subject(), on)
    assert.ok(!(outcome instanceof Promise), 'an embedded store answers at once')
    return outcome
  }

  function answerOf(outcome: Outcome, plugin: string): string | undefined {
    return outcome.answers.get(plugin)?.rule.name
  }

  it('asks the store once, for all gates together', () => {
    judge([gateOf('connections', [{ name: 'a' }]), gateOf('messages', [{ name: 'b' }, { name: 'c' }])])
    assert.deepEqual(
      store.batches.map((asks) => asks.map(({ key }) => key)),
      [['a', 'b', 'c']],
    )
  })

  it('asks nothing at a stage that no gate knows, nor when no gate has a question', () => {
    assert.deepEqual(judge([gateOf('messages', [{ name: 'a' }], ['rcpt'])]).decisions, [])
    assert.deepEqual(judge([gateOf('messages', [])]).decisions, [])
    assert.equal(store.batches.length, 0)
  })

  it('gives each plugin its own answer', () => {
    const gates = [gateOf('connections', [{ name: 'a' }]), gateOf('messages', [{ name: 'b', limit: 5 }, { name: 'c' }])]
    assert.equal(judge(gates).answers.size, 0)
    const outcome = judge(gates)
    assert.equal(answerOf(outcome, 'connections'), 'a')
    assert.equal(answerOf(outcome, 'messages'), 'c')
    assert.equal(answerOf(outcome, 'other'), undefined)
    assert.equal(outcome.answers.get('messages')!.action, 'defer')
  })

  it('in shadow accepts, says so, and counts on', () => {
    const gates = [
      gateOf('messages', [
        { name: 'a', mode: SHADOW },
        { name: 'b', mode: SHADOW, limit: 2 },
      ]),
    ]
    judge(gates)
    const second = judge(gates)
    assert.equal(second.answers.size, 0)
    assert.deepEqual(
      second.decisions.map(({ action, enforced, rule: { name } }) => [name, action, enforced]),
      [['a', 'accept', false]],
    )
    assert.deepEqual(
      judge(gates).decisions.map(({ rule: { name } }) => name),
      ['a', 'b'],
      'a refusal in shadow holds up nobody else',
    )
  })

  it('a refused attempt uses up nothing', () => {
    const gates = [gateOf('messages', [{ name: 'a' }, { name: 'b', limit: 2 }])]
    judge(gates)
    for (let attempt = 0; attempt < 5; attempt++) judge(gates)
    now += 60_001
    assert.equal(judge(gates).answers.size, 0)
    assert.deepEqual(judge([gateOf('messages', [{ name: 'b', limit: 1 }])]).decisions.at(0)?.count, 1)
  })

  it('a canary refuses for the keys of its share and lets the others pass', () => {
    const mode: Mode = { kind: 'canary', percent: 50 }
    const names = Array.from({ length: 40 }, (_, index) => `k${index}`)
    const refused = names.filter((name) => {
      const gates = [gateOf('messages', [{ name, mode }])]
      judge(gates)
      const { answers, decisions } = judge(gates)
      assert.equal(decisions.length, 1)
      assert.equal(answers.size, Number(isEnforced(mode, name)))
      return answers.size > 0
    })
    assert.ok(refused.length > 5 && refused.length < 35, `${refused.length}`)
  })

  it('says the longest wait of all that refuse, whoever answers', () => {
    const gates = [
      gateOf('connections', [{ name: 'short', windowMs: 10_000 }]),
      gateOf('messages', [
        { name: 'long', windowMs: 3_600_000, remedy: 'delay' },
        { name: 'shadow', windowMs: 86_400_000, mode: SHADOW },
      ]),
    ]
    judge(gates)
    const { answers, decisions } = judge(gates)
    for (const plugin of ['connections', 'messages']) assert.equal(answers.get(plugin)!.retryAfterMs, 3_600_000)
    const shadowed = decisions.find(({ rule: { name } }) => name === 'shadow')!
    assert.equal(shadowed.retryAfterMs, 86_400_000, 'what is not enforced keeps its own')
    now += 3_600_001
    assert.equal(judge(gates).answers.size, 0, 'whoever comes back then gets in')
  })

  it('puts the gravest first, and one that ends the session before its equals', () => {
    const remedies: Counter[] = [
      { name: 'shadow', mode: SHADOW },
      { name: 'delay', remedy: 'delay' },
      { name: 'defer' },
      { name: 'ends', ends: true },
      { name: 'reject', remedy: 'reject' },
    ]
    const gates = [gateOf('messages', remedies)]
    judge(gates)
    const { decisions, answers } = judge(gates)
    assert.deepEqual(
      decisions.map(({ rule: { name } }) => name),
      ['reject', 'ends', 'defer', 'delay', 'shadow'],
    )
    assert.equal(answers.get('messages')!.rule.name, 'reject')
    assert.equal(new Set(decisions.map(({ ref }) => ref)).size, decisions.length)
  })

  it('does not ask the store when the session itself is refused', () => {
    const outcome = judge([findingGate(ENFORCE), gateOf('messages', [{ name: 'a' }])])
    assert.equal(answerOf(outcome, 'connections'), 'session_errors')
    assert.equal(store.batches.length, 0)
  })

  it('asks all the same when the session would only be refused outside shadow', () => {
    const outcome = judge([findingGate(SHADOW), gateOf('messages', [{ name: 'a' }])])
    assert.equal(outcome.answers.size, 0)
    assert.equal(outcome.decisions.length, 1)
    assert.equal(store.batches.length, 1)
  })

  describe('with a store that fails', () => {
    const gates = [gateOf('messages', [{ name: 'a' }, { name: 'careful', onError: 'defer' }])]
    const failure = new StoreError('STORE_UNREACHABLE', 'gone')

    it('accepts everybody but for rules that would rather defer', () => {
      store.failure = failure
      const outcome = judge(gates)
      assert.equal(outcome.failure, failure)
      assert.equal(outcome.degraded, true)
      assert.deepEqual(
        outcome.decisions.map(({ rule: { name }, reason, retryAfterMs }) => [name, reason, retryAfterMs]),
        [['careful', 'store_unreachable', 0]],
      )
      store.failure = undefined
      assert.equal(judge([gateOf('messages', [{ name: 'a' }])]).failure, undefined)
    })

    it('does so too when the failure comes later', async () => {
      const late = { judge: () => Promise.reject(failure) } as unknown as Store
      const outcome = await judgeStage(planGates(gates), subject(), late)
      assert.equal(outcome.failure, failure)
      assert.equal(outcome.answers.size, 1)
    })
  })

  it('waits for a store that answers later', async () => {
    const slow = { judge: (asks: readonly Ask[]) => Promise.resolve(store.judge(asks)) } as unknown as Store
    const gates = [gateOf('messages', [{ name: 'a' }])]
    await judgeStage(planGates(gates), subject(), slow)
    const outcome = await judgeStage(planGates(gates), subject(), slow)
    assert.equal(outcome.answers.get('messages')!.rule.name, 'a')
  })

  it('tells which leases a session holds now: those granted at connect, and only when all was committed', () => {
    const mode = ENFORCE
    const lease = (name: string, limit: number): Gate => ({
      plugin: 'connections',
      stages: ['connect'],
      ask: ({ session }, asks) => {
        const ask = { op: 'lease', key: name, enforced: true, limit, id: session.leaseId, ttlMs: 60_000 } as const
        asks.push({ rule: rule({ name, mode }), ask })
      },
    })
    const connect = (leaseId: string, gates: readonly Gate[]) => {
      const session = { ...subject().session, leaseId }
      return judgeStage(planGates(gates), subject({ stage: 'connect', session }), store) as Outcome
    }
    const both = [lease('wide', 5), lease('narrow', 1)]
    assert.deepEqual(
      connect('aaaaaaaaaaaa', both).leases.map(({ key }) => key),
      ['wide', 'narrow'],
    )
    assert.deepEqual(connect('bbbbbbbbbbbb', both).leases, [])
    assert.equal(connect('cccccccccccc', [lease('wide', 2)]).leases.length, 1, 'the refused one took no slot')
  })

  describe('with merits', () => {
    const bounds = { leastSamples: 0, leastMean: 0, halfLifeMs: 0, most: 9, apartMs: 0, keepMs: 60_000 }
    const merit: MeritAsk = { op: 'merit', key: 'merit', enforced: true, ...bounds }
    /** Asks of a merit, then whatever is refused unless it is ok. */
    const meritGate = (more: Partial<MeritAsk>, ...asks: Ask[]): Gate => ({
      plugin: 'reputation',
      stages: ['connect'],
      ask: (_subject, all) => {
        const at = all.push({ rule: rule({ name: 'merit' }), ask: { ...merit, ...more } }) - 1
        for (const ask of asks) all.push({ rule: rule({ name: ask.op }), ask: { ...ask, unless: [at] } })
      },
    })
    const full: Ask = { op: 'window', key: 'w', enforced: true, cost: 1, windows: [{ limit: 0, windowMs: 60_000 }] }
    const lease: Ask = { op: 'lease', key: 'l', enforced: true, limit: 5, id: 'aaaaaaaaaaaa', ttlMs: 60_000 }
    const judgeAt = (gate: Gate, on: Store = store) =>
      judgeStage(planGates([gate]), subject({ stage: 'connect' }), on) as Outcome

    it('refuses nobody whom one excuses, and holds no lease that was never taken', () => {
      const outcome = judgeAt(meritGate({}, full, lease))
      assert.deepEqual([outcome.decisions, outcome.leases], [[], []])
    })

    it('finds nothing wrong with a merit itself, and refuses whom none excuses', () => {
      const stranger = { leastSamples: 1 }
      assert.deepEqual(judgeAt(meritGate(stranger)).decisions, [])
      const outcome = judgeAt(meritGate(stranger, full))
      assert.deepEqual(
        outcome.decisions.map(({ rule, action }) => [rule.name, action]),
        [['window', 'defer']],
      )
      assert.equal(judgeAt(meritGate(stranger, lease)).leases.length, 1)
    })

    it('finds nothing wrong while the store that knows them is away', () => {
      class AwayStore extends MemoryStore {
        override judge(asks: readonly Ask[]): Verdict {
          return { ...super.judge(asks.map((ask) => ({ ...ask, enforced: false }))), degraded: true }
        }
      }
      const distinct: Ask = { op: 'distinct', key: 'd', enforced: true, value: 1, limit: 0, windowMs: 60_000 }
      const outcome = judgeAt(meritGate({ leastSamples: 1 }, full, distinct), new AwayStore())
      assert.deepEqual([outcome.decisions, outcome.degraded], [[], true])
    })
  })
})
