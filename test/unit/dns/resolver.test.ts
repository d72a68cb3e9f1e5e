import assert from 'node:assert/strict'
import { DnsResolver, type ResolverOptions } from '../../../src/dns/resolver'
import { isAskable } from '../../../src/dns/question'
import { DnsServer, NXDOMAIN, SERVFAIL, recordOf } from '../../support/dns-server'

describe('DNS resolver', () => {
  let server: DnsServer
  let resolver: DnsResolver
  let now = 1_000_000

  function open(options: ResolverOptions = {}): DnsResolver {
    return (resolver = new DnsResolver({ servers: [server.address], clock: () => now, ...options }))
  }

  beforeEach(async () => {
    server = await DnsServer.start()
    open()
  })

  afterEach(async () => {
    resolver.close()
    await server.close()
  })

  it('finds records of every type', async () => {
    server.records({
      'A mail.test': ['192.0.2.1', '192.0.2.2'],
      'AAAA mail.test': ['2001:db8::1'],
      'TXT mail.test': ['hello'],
      'PTR 1.2.0.192.in-addr.arpa': ['mail.test'],
    })
    const a = await resolver.resolve('Mail.TEST', 'A')
    assert.ok(a.kind === 'found')
    assert.deepEqual([...a.records].sort(), ['192.0.2.1', '192.0.2.2'])
    assert.equal(a.ttlMs, 300_000)
    assert.deepEqual(recordsOf(await resolver.resolve('mail.test', 'AAAA')), ['2001:db8::1'])
    assert.deepEqual(recordsOf(await resolver.resolve('mail.test', 'TXT')), ['hello'])
    assert.deepEqual(recordsOf(await resolver.resolve('1.2.0.192.in-addr.arpa', 'PTR')), ['mail.test'])
  })

  it('reads the SOA of a zone', async () => {
    const soa = { mname: 'ns.test', rname: 'admin.test', serial: 7, refresh: 1, retry: 1, expire: 1, minimum: 150 }
    server.serve('zone.test', () => ({ answers: [{ type: 'SOA', name: 'zone.test', ttl: 60, data: soa }] }))
    const answer = await resolver.resolve('zone.test', 'SOA')
    assert.ok(answer.kind === 'found')
    assert.equal(answer.records[0]!.minttl, 150)
  })

  it('tells a name that is not there from a server that is ill', async () => {
    server.serve('gone.test', () => NXDOMAIN)
    server.serve('empty.test', () => ({ answers: [] }))
    server.serve('ill.test', () => SERVFAIL)
    server.serve('closed.test', () => ({ rcode: 5 }))
    server.serve('odd.test', () => ({ garbage: true }))
    const kindOf = async (name: string) => {
      const answer = await resolver.resolve(name, 'A')
      return answer.kind === 'failed' ? answer.reason : answer.kind
    }
    assert.equal(await kindOf('gone.test'), 'absent')
    assert.equal(await kindOf('empty.test'), 'absent')
    assert.equal(await kindOf('ill.test'), 'servfail')
    assert.equal(await kindOf('closed.test'), 'refused')
    assert.equal(await kindOf('odd.test'), 'malformed')
  })

  it('gives up at its deadline', async () => {
    open({ deadlineMs: 900 })
    server.serve('dead.test', () => ({ silent: true }))
    const started = performance.now()
    assert.deepEqual(await resolver.resolve('dead.test', 'A'), { kind: 'failed', reason: 'timeout' })
    const tookMs = performance.now() - started
    assert.ok(tookMs > 850 && tookMs < 1800, `${tookMs} ms`)
    assert.equal(server.count('dead.test'), 2, 'a packet may be lost')
    assert.equal(resolver.questionsUnderway, 0)
  })

  it('goes to the next server when one does not answer', async () => {
    const dead = await DnsServer.start()
    dead.serve('mail.test', () => ({ silent: true }))
    open({ servers: [dead.address, server.address], deadlineMs: 1500 })
    server.records({ 'A mail.test': ['192.0.2.1'] })
    assert.deepEqual(recordsOf(await resolver.resolve('mail.test', 'A')), ['192.0.2.1'])
    await dead.close()
  })

  it('waits for a slow answer within the deadline, whatever the answers before were', async () => {
    server.records({ 'A fast.test': ['192.0.2.1'] })
    server.serve('slow.test', () => ({ delayMs: 900, answers: [recordOf('A', 'slow.test', '192.0.2.9')] }))
    for (let index = 0; index < 20; index++) await resolver.resolve('fast.test', 'A', { fresh: true })
    assert.deepEqual(recordsOf(await resolver.resolve('slow.test', 'A')), ['192.0.2.9'])
  })

  it('asks once for all who want to know at the same time', async () => {
    server.serve('mail.test', () => ({ delayMs: 50, answers: [recordOf('A', 'mail.test', '192.0.2.1')] }))
    const answers = await Promise.all(Array.from({ length: 50 }, () => resolver.resolve('mail.test', 'A')))
    assert.ok(answers.every(({ kind }) => kind === 'found'))
    assert.equal(server.count('mail.test'), 1)
  })

  it('keeps an answer for its TTL, between a minute and an hour', async () => {
    server.records({ 'A short.test': ['192.0.2.1'] }, 1)
    server.records({ 'A long.test': ['192.0.2.1'] }, 86_400)
    server.records({ 'A middle.test': ['192.0.2.1'] }, 600)
    for (const [name, keptMs] of [
      ['short.test', 60_000],
      ['long.test', 3_600_000],
      ['middle.test', 600_000],
    ] as const) {
      await resolver.resolve(name, 'A')
      now += keptMs - 1
      await resolver.resolve(name, 'A')
      assert.equal(server.count(name), 1, name)
      now += 1
      await resolver.resolve(name, 'A')
      assert.equal(server.count(name), 2, name)
    }
  })

  it('keeps the absence of a name as long as its zone says, else five minutes', async () => {
    const times = [
      ['a.test', {}, 300_000],
      ['b.test', { absentTtlMs: 120_000 }, 120_000],
      ['c.test', { absentTtlMs: 1000 }, 60_000],
    ] as const
    for (const [name, options, keptMs] of times) {
      assert.deepEqual(await resolver.resolve(name, 'A', options), { kind: 'absent', ttlMs: keptMs })
      now += keptMs - 1
      await resolver.resolve(name, 'A', options)
      assert.equal(server.count(name), 1, name)
      now += 1
      await resolver.resolve(name, 'A', options)
      assert.equal(server.count(name), 2, name)
    }
  })

  it('keeps a failure for seconds only', async () => {
    server.serve('ill.test', () => SERVFAIL)
    await resolver.resolve('ill.test', 'A')
    await resolver.resolve('ill.test', 'A')
    assert.equal(server.count('ill.test'), 1)
    server.records({ 'A ill.test': ['192.0.2.1'] })
    now += 3000
    assert.equal((await resolver.resolve('ill.test', 'A')).kind, 'found')
  })

  it('asks anew when the clock was put back', async () => {
    server.records({ 'A mail.test': ['192.0.2.1'] })
    await resolver.resolve('mail.test', 'A')
    now -= 7 * 86_400_000
    await resolver.resolve('mail.test', 'A')
    assert.equal(server.count('mail.test'), 2)
  })

  it('asks anew when told to, and remembers', async () => {
    server.records({ 'A mail.test': ['192.0.2.1'] })
    await resolver.resolve('mail.test', 'A')
    server.records({ 'A mail.test': ['192.0.2.2'] })
    await resolver.resolve('mail.test', 'A', { fresh: true })
    assert.deepEqual(recordsOf(await resolver.resolve('mail.test', 'A')), ['192.0.2.2'])
  })

  it('forgets a zone, and no other', async () => {
    server.records({ 'A one.list.test': ['127.0.0.2'], 'A one.otherlist.test': ['127.0.0.2'] })
    await resolver.resolve('one.list.test', 'A')
    await resolver.resolve('one.otherlist.test', 'A')
    resolver.forget('list.test')
    await resolver.resolve('one.list.test', 'A')
    await resolver.resolve('one.otherlist.test', 'A')
    assert.equal(server.count('one.list.test'), 2)
    assert.equal(server.count('one.otherlist.test'), 1)
  })

  it('keeps so many answers and no more, the newest', async () => {
    open({ mostAnswers: 3 })
    for (const name of ['a.test', 'b.test', 'c.test', 'd.test']) await resolver.resolve(name, 'A')
    assert.equal(resolver.answersKept, 3)
    await resolver.resolve('d.test', 'A')
    assert.equal(server.count('d.test'), 1)
    await resolver.resolve('a.test', 'A')
    assert.equal(server.count('a.test'), 2)
  })

  it('asks so many questions at a time and no more', async () => {
    open({ mostQuestions: 2 })
    server.serve('slow.test', ({ name }) => ({ delayMs: 50, answers: [recordOf('A', name, '192.0.2.1')] }))
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => resolver.resolve(`${name}.slow.test`, 'A')))
    assert.deepEqual(
      answers.map((answer) => (answer.kind === 'failed' ? answer.reason : answer.kind)),
      ['found', 'found', 'busy'],
    )
    assert.equal((await resolver.resolve('c.slow.test', 'A')).kind, 'found', 'being busy is not remembered')
  })

  it('asks for nothing that is no name', async () => {
    for (const name of [
      '',
      '.',
      'a..b',
      'a b.test',
      'a\\.test',
      'ä.test',
      `${'a'.repeat(64)}.test`,
      'a.'.repeat(127) + 'ab',
    ])
      assert.deepEqual(await resolver.resolve(name, 'A'), { kind: 'failed', reason: 'bad_name' }, name)
    assert.deepEqual(server.questions, [])
    assert.ok(isAskable('_dmarc.example.test'))
  })

  it('lets nobody wait when it closes', async () => {
    server.serve('dead.test', () => ({ silent: true }))
    const waiting = resolver.resolve('dead.test', 'A')
    resolver.close()
    assert.deepEqual(await waiting, { kind: 'failed', reason: 'closed' })
    assert.deepEqual(await resolver.resolve('other.test', 'A'), { kind: 'failed', reason: 'closed' })
  })

  it('says that nobody is there', async () => {
    const gone = await DnsServer.start()
    const { address } = gone
    await gone.close()
    open({ servers: [address] })
    const answer = await resolver.resolve('mail.test', 'A')
    assert.deepEqual(answer, { kind: 'failed', reason: 'unreachable' })
  })
})

function recordsOf(answer: { kind: string; records?: readonly unknown[] }): readonly unknown[] | undefined {
  return answer.records
}
