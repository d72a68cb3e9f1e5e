import assert from 'node:assert/strict'
import { compilePolicy } from '../../../src/config/compile'
import { DEFAULTS } from '../../../src/config/defaults'
import { configSchema } from '../../../src/config/schema'
import type { Answer, Reply } from '../../../src/haraka/guard'
import type { Jail } from '../../../src/haraka/jail'
import { Leases } from '../../../src/haraka/leases'
import { type Session, Sessions } from '../../../src/haraka/session'
import { StageJudge } from '../../../src/haraka/stage-judge'
import { Tarpit } from '../../../src/haraka/tarpit'
import type { Connection, EnvelopeAddress } from '../../../src/haraka/types'
import type { Finding, Rule } from '../../../src/policy/decision'
import type { Gate } from '../../../src/policy/gate'
import { type GatePlan, planGates } from '../../../src/policy/pipeline'
import type { Stage, Subject } from '../../../src/policy/subject'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { type Ask, StoreError } from '../../../src/store/store'
import { EventStream, type TelemetryEvent } from '../../../src/telemetry/events'
import { rule } from '../telemetry/fixtures'

describe('the judge of stages', () => {
  let store: MemoryStore
  let plan: GatePlan
  let tarpit: Tarpit
  let opening: Promise<void> | undefined
  let events: TelemetryEvent[]
  let failures: string[]
  let learnt: (readonly Ask[])[]
  let sessions: Sessions
  let leases: Leases
  let judge: StageJudge
  let jail: Jail | undefined
  /** Recipients that were looked up in the suppression list. */
  let lookedUp: unknown[]
  /** The list that names the client. */
  let list: string | undefined
  let offences: Connection[]
  let connection: Connection
  let session: Session
  /** What was judged, in order. */
  let seen: Subject[]

  beforeEach(async () => {
    store = new MemoryStore()
    await store.open()
    ;[events, failures, learnt, seen, offences] = [[], [], [], [], []]
    ;[jail, list, lookedUp] = [undefined, undefined, []]
    tarpit = new Tarpit(1000, 10)
    opening = undefined
    const config = configSchema.parse({ ...DEFAULTS, jail: { ...DEFAULTS.jail, mode: 'enforce' } })
    const compiled = compilePolicy(config, () => undefined)
    const policy = 'policy' in compiled ? compiled.policy : assert.fail(JSON.stringify(compiled.problems))
    const stream = new EventStream()
    stream.read((event) => events.push(event))
    sessions = new Sessions(() => false)
    leases = new Leases((_what, action) => void action(store))
    judge = new StageJudge({
      ...{ sessions, leases, stream },
      lookups: { reportListed: () => offences.length === 0, banningList: () => list },
      load: { level: 0, familiar: () => false },
      conduct: { noteListed: (one) => offences.push(one) },
      policy: () => policy,
      plan: () => plan,
      tarpit: () => tarpit,
      jail: () => jail,
      steering: () => undefined,
      suppressions: () => ({
        lookUp: (recipient: EnvelopeAddress) => void lookedUp.push(recipient.user),
        drop: () => undefined,
      }),
      reputations: () => undefined,
      store: () => store,
      opening: () => opening,
      learn: (asks) => learnt.push(asks),
      onFailure: ({ plugin, hook, message }) => failures.push(`${plugin} ${hook}: ${message}`),
    })
    connection = {
      uuid: 'A',
      remote: { ip: '192.0.2.7' },
      local: { port: 25 },
      hello: { host: 'mx.example.com' },
      notes: {},
      msg_count: { accept: 0, tempfail: 0, reject: 0 },
      relaying: false,
      transaction: null,
      results: { add: () => undefined, get: () => undefined },
    } as unknown as Connection
    session = sessions.of(connection)
  })
  afterEach(() => leases.stop())

  /** A gate of a plugin that finds something in some subjects. */
  function gate(plugin: string, isFound: (subject: Subject) => boolean, changes: Partial<Rule & Finding> = {}): Gate {
    const found = {
      key: 'k',
      enforced: true,
      count: 9,
      limit: 5,
      windowMs: 0,
      retryAfterMs: 0,
      reason: 'limit',
    } as const
    return {
      plugin,
      stages: ['connect', 'mail', 'rcpt'],
      ask: () => undefined,
      inspect: (subject, findings) => {
        seen.push(subject)
        if (isFound(subject)) findings.push({ ...found, ...changes, rule: rule({ plugin, name: plugin, ...changes }) })
      },
    }
  }
  const ask = (plugin: string, token: object = connection, stage: Stage = 'mail') =>
    judge.answer(plugin, stage, connection, token)

  function said(answer: Answer | Promise<Answer>): string | undefined {
    assert.ok(!(answer instanceof Promise), 'it is answered at once')
    return answer && String(answer.message)
  }
  const textOf = (answer: Reply | undefined) => answer && String(answer.message)

  it('judges a stage once for all plugins, and has each answer for itself', () => {
    plan = planGates([gate('connections', () => false), gate('messages', () => true)])
    assert.equal(said(ask('connections')), undefined)
    assert.match(said(ask('messages'))!, /^450 4\.7\.1 Too many messages/)
    assert.equal(seen.length, 2, 'once for each gate')
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['judged'],
    )
  })

  it('judges another thing afresh, and the same one when a plugin asks again', () => {
    plan = planGates([gate('messages', () => true)])
    const first = {}
    for (const token of [first, {}, first, first]) said(ask('messages', token, 'rcpt'))
    assert.deepEqual([seen.length, session.recipients], [4, 4])
  })

  it('looks up whom people of ours write to, and not whom a stranger does whose mail is passed on', () => {
    plan = planGates([{ ...gate('suppress', () => false), stages: ['rcpt_ok'] }])
    const asks = (user: string, relay?: object, account?: string) => {
      const transaction = { results: { get: () => relay }, rcpt_to: [], notes: {} }
      Object.assign(connection, { relaying: true, transaction, notes: { auth_user: account } })
      const recipient = { user, host: 'near.test' }
      said(judge.answer('suppress', 'rcpt_ok', connection, recipient, recipient))
    }
    asks('one', { pass: ['relay_dest_domain'] })
    // Of a second message on the connection Haraka does not say why it may be relayed.
    asks('two', { skip: ['relay_dest_domain(relay)'] })
    assert.deepEqual(lookedUp, [])
    asks('three', undefined, 'ann@near.test')
    assert.deepEqual(lookedUp, ['three'])
  })

  it('has nothing to say at a stage that no gate is asked at', () => {
    plan = planGates([gate('messages', () => true)])
    assert.equal(said(ask('messages', {}, 'data_post')), undefined)
    assert.deepEqual([seen, events], [[], []])
  })

  it('waits until the store is open', async () => {
    let open!: () => void
    opening = new Promise((resolve) => (open = resolve))
    plan = planGates([gate('messages', () => true)])
    const [one, other] = [ask('messages'), ask('connections')]
    assert.equal(seen.length, 0)
    opening = undefined
    open()
    assert.match(textOf(await one)!, /^450/)
    assert.equal(await other, undefined)
    assert.equal(seen.length, 1)
  })

  it('waits for what is asked about strangers, and not for what is asked about those who may relay', async () => {
    let answer!: () => void
    session.pending = [new Promise((resolve) => (answer = resolve))]
    plan = planGates([gate('score', () => true)])
    const pending = ask('score')
    assert.equal(seen.length, 0)
    answer()
    assert.match(textOf(await pending)!, /^450/)
    assert.deepEqual(session.pending, [])
    session.pending = [new Promise(() => undefined)]
    connection.relaying = true
    assert.match(said(ask('score', {}))!, /^450/)
  })

  const DELAY = { remedy: 'delay', retryAfterMs: 5 } as const

  it('holds whom it delays, and judges again when the time is over', async () => {
    plan = planGates([gate('messages', () => seen.length === 1, DELAY)])
    const answer = ask('messages')
    assert.equal(tarpit.waiting, 1)
    assert.equal(await answer, undefined)
    assert.equal(seen.length, 2)
    assert.equal(tarpit.waiting, 0)
  })

  it('defers whom it has held when there is still no slot', async () => {
    plan = planGates([gate('messages', () => true, DELAY)])
    assert.match(textOf(await ask('messages'))!, /^450/)
    assert.equal(seen.length, 2)
  })

  it('answers for plugins that have been asked before, when it judges again', async () => {
    const late = gate('connections', () => seen.length > 2)
    plan = planGates([late, gate('messages', () => seen.length <= 2, DELAY)])
    assert.equal(said(ask('connections')), undefined)
    assert.match(textOf(await ask('messages'))!, /sluice connections/)
  })

  it('says nothing to somebody who has gone while he was held', async () => {
    plan = planGates([gate('messages', () => true, { ...DELAY, retryAfterMs: 900 })])
    const answer = ask('messages')
    sessions.close(session)
    assert.equal(await answer, undefined)
    assert.equal(seen.length, 1)
  })

  it('defers at once where nobody can be held, or not for so long', () => {
    plan = planGates([gate('messages', () => true, { ...DELAY, retryAfterMs: 2000 })])
    assert.match(said(ask('messages'))!, /^450/)
    tarpit = new Tarpit(1000, 0)
    plan = planGates([gate('messages', () => true, DELAY)])
    assert.match(said(ask('messages', {}))!, /^450/)
  })

  it('holds nobody whom another rule refuses', () => {
    plan = planGates([gate('connections', () => true), gate('messages', () => true, DELAY)])
    assert.equal(said(ask('connections'))?.slice(0, 3), '450')
    assert.equal(said(ask('messages'))?.slice(0, 3), '450')
    assert.equal(tarpit.waiting, 0)
  })

  it('holds once where a rule asks for no more, and knows it when it judges again', async () => {
    plan = planGates([gate('overload', ({ held }) => !held, { ...DELAY, holdsOnce: true })])
    assert.equal(await ask('overload'), undefined)
    assert.deepEqual(
      seen.map(({ held }) => held),
      [false, true],
    )
  })

  const LESSON: Ask = { op: 'window', key: 'lesson', cost: 1, windows: [{ limit: 1, windowMs: 1000 }], enforced: false }
  /** A gate that asks the store for a place of the session. */
  const places: Gate = {
    plugin: 'connections',
    stages: ['connect'],
    ask: ({ session: { leaseId: id } }, asks) =>
      asks.push({
        rule: rule({ plugin: 'connections' }),
        ask: { op: 'lease', key: 'place', id, limit: 1, ttlMs: 60_000, enforced: true },
        lesson: () => LESSON,
      }),
  }

  it('keeps what a session was given, and gives it back when its client is another', () => {
    plan = planGates([places])
    said(ask('connections', {}, 'connect'))
    assert.deepEqual([session.leases.length, leases.sessions], [1, 1])
    said(ask('connections', {}, 'connect'))
    assert.deepEqual([session.leases.length, leases.sessions], [1, 1], 'the place was free again')
  })

  it('has the store remember what there is to remember', () => {
    plan = planGates([places])
    said(ask('connections', {}, 'connect'))
    assert.deepEqual(learnt, [[LESSON]])
  })

  it('has the jail know of whom it refuses for being listed, once, and bans where the list is reason enough', () => {
    const bans: string[] = []
    const warden = { ban: (...ban: unknown[]) => bans.push(ban.slice(1).join(' ')) }
    jail = { warden, isInDoubt: () => false, banOf: () => undefined } as unknown as Jail
    plan = planGates([gate('dnsbl', () => true)])
    said(ask('dnsbl', {}))
    assert.deepEqual([offences, bans], [[connection], []])
    offences = []
    list = 'zen'
    for (let times = 0; times < 2; times++) said(ask('dnsbl', {}))
    assert.deepEqual([offences.length, bans], [1, ['dnsbl listed by zen']])
  })

  it('lets everybody pass when the store fails, and says so', () => {
    store.judge = () => {
      throw new StoreError('STORE_UNREACHABLE', 'no answer')
    }
    plan = planGates([places])
    assert.equal(said(ask('connections', {}, 'connect')), undefined)
    assert.deepEqual(failures, ['store connect: no answer'])
  })
})
