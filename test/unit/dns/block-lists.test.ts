import assert from 'node:assert/strict'
import { BlockLists, type BlockListsOptions, joinAnswers, sumOf } from '../../../src/dns/block-lists'
import { ANY_CODE, type ListZone, parseCodePattern } from '../../../src/dns/list-spec'
import { DnsResolver } from '../../../src/dns/resolver'
import type { HealthChange } from '../../../src/dns/zone-health'
import { parseIp } from '../../../src/keys/address'
import { DnsList } from '../../support/dns-list'
import { DnsServer, SERVFAIL, recordOf } from '../../support/dns-server'

describe('block lists', () => {
  let server: DnsServer
  let resolver: DnsResolver
  let lists: BlockLists
  let bad: DnsList
  let changes: HealthChange[]
  let now = 1_000_000
  const client = parseIp('192.0.2.7')!

  const zoneOf = (zone: string, changed: Partial<ListZone> = {}): ListZone => ({
    ...{ zone, label: zone, kind: 'ip', on: ['client'], ban: false, test: '127.0.0.2' },
    ...{ codes: [{ pattern: ANY_CODE, weight: 3 }], ...changed },
  })
  const ofDomains = { kind: 'domain', on: ['helo', 'sender'], test: 'TEST' } as const

  function open(zones: readonly ListZone[], options: Partial<BlockListsOptions> = {}): BlockLists {
    const onHealth = (change: HealthChange) => void changes.push(change)
    return (lists = new BlockLists({ zones, resolver, onHealth, clock: () => now, ...options }))
  }

  beforeEach(async () => {
    server = await DnsServer.start()
    resolver = new DnsResolver({ servers: [server.address], deadlineMs: 800, clock: () => now })
    bad = new DnsList(server, 'bad.test').add('7.2.0.192', '127.0.0.4')
    changes = []
    open([zoneOf('bad.test')])
  })

  afterEach(async () => {
    lists.stop()
    resolver.close()
    await server.close()
  })

  it('tells who is listed, and who is not', async () => {
    assert.deepEqual(await lists.lookup({ client }), {
      hits: [
        {
          ...{ label: 'bad.test', part: 'client', pattern: ANY_CODE.text, codes: ['127.0.0.4'], weight: 3, ban: false },
        },
      ],
      ...{ silent: [], clear: [] },
    })
    const other = await lists.lookup({ client: parseIp('192.0.2.8')! })
    assert.deepEqual(other, { hits: [], silent: [], clear: [{ label: 'bad.test', part: 'client' }] })
    assert.deepEqual(changes, [], 'to be well from the start is no news')
  })

  it('reads every record, and counts each pattern once', async () => {
    bad.add('7.2.0.192', '127.0.0.3', '127.0.0.2', '127.0.0.4', '127.0.0.99')
    const weigh = (text: string, weight: number) => ({ pattern: parseCodePattern(text)!, weight })
    open([zoneOf('bad.test', { codes: [weigh('127.0.0.[2..3]', 2), weigh('127.0.0.4', 5), weigh('127.0.0.10', 9)] })])
    const { hits } = await lists.lookup({ client })
    assert.deepEqual(
      hits.map(({ pattern, codes }) => [pattern, [...codes].sort()]),
      [
        ['127.0.0.[2..3]', ['127.0.0.2', '127.0.0.3']],
        ['127.0.0.4', ['127.0.0.4']],
      ],
    )
    assert.equal(sumOf(hits), 7)
  })

  it('takes a code that no pattern names for no listing', async () => {
    open([zoneOf('bad.test', { codes: [{ pattern: parseCodePattern('127.0.0.10')!, weight: 2 }] })])
    const { hits, clear } = await lists.lookup({ client })
    assert.deepEqual([hits.length, clear.length], [0, 1])
  })

  it('adds up lists, the good ones with weights below zero', async () => {
    new DnsList(server, 'good.test').add('7.2.0.192', '127.0.9.2')
    open([zoneOf('bad.test'), zoneOf('good.test', { codes: [{ pattern: ANY_CODE, weight: -5 }] })])
    assert.equal(sumOf((await lists.lookup({ client })).hits), -2)
  })

  it('asks lists of domains for HELO and sender, and counts a pattern once for both', async () => {
    const domains = new DnsList(server, 'dom.test').add('evil.example', '127.0.1.2')
    open([zoneOf('dom.test', ofDomains)])
    const early = await lists.lookup({ client, helo: 'mail.evil.example' })
    const late = await lists.lookup({ sender: 'evil.example' })
    const { hits } = joinAnswers([early, late])
    assert.deepEqual(
      hits.map(({ part }) => part),
      ['helo', 'sender'],
    )
    assert.equal(sumOf(hits), 3)
    assert.equal(domains.asked, 1)
    assert.deepEqual(await lists.lookup({ helo: '[192.0.2.7]' }), { hits: [], silent: [], clear: [] })
  })

  it('asks about IPv6 by nibbles', async () => {
    const nibbles = '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2'
    bad.add(nibbles, '127.0.0.2')
    const { hits } = await lists.lookup({ client: parseIp('2001:db8::7')! })
    assert.equal(sumOf(hits), 3)
    assert.equal(server.count(`${nibbles}.bad.test`), 1)
  })

  it('does not ask a list about IPv6 that knows none', async () => {
    for (const entry of bad.entries.keys()) if (entry.length > 40) bad.entries.delete(entry)
    const answer = await lists.lookup({ client: parseIp('2001:db8::7')! })
    assert.deepEqual(answer, { hits: [], silent: [], clear: [] })
    assert.equal(bad.asked, 0)
    assert.equal(lists.reports()[0]!.state, 'well')
  })

  it('remembers absence as long as the SOA of the zone says', async () => {
    const other = parseIp('192.0.2.8')!
    await lists.lookup({ client: other })
    now += 119_000
    await lists.lookup({ client: other })
    assert.equal(bad.asked, 1)
    now += 1000
    await lists.lookup({ client: other })
    assert.equal(bad.asked, 2)
  })

  for (const [mood, state] of [
    ['lying', 'lying'],
    ['gone', 'dead'],
    ['dead', 'dead'],
    ['servfail', 'dead'],
    ['garbage', 'dead'],
    [{ refusing: '127.255.255.254' }, 'refused'],
    [{ refusing: '127.0.0.1' }, 'refused'],
    [{ refusing: '203.0.113.5' }, 'refused'],
  ] as const) {
    const name = typeof mood === 'string' ? mood : `refusing with ${mood.refusing}`
    it(`does not believe a list that is ${name}, and says so once`, async () => {
      bad.mood = mood
      for (let index = 0; index < 3; index++) {
        const answer = await lists.lookup({ client })
        assert.deepEqual([answer.hits.length, answer.clear.length, answer.silent.length], [0, 0, 1])
      }
      await lists.probeAll()
      assert.deepEqual(
        changes.map(({ label, from, to }) => ({ label, from, to })),
        [{ label: 'bad.test', from: 'unknown', to: state }],
      )
      assert.equal(bad.asked, 0)
      bad.mood = 'well'
      await lists.probeAll()
      assert.equal(sumOf((await lists.lookup({ client })).hits), 3)
      assert.deepEqual([changes.length, changes[1]!.to], [2, 'well'])
    })
  }

  it('does not believe a list that begins to lie', async () => {
    const other = parseIp('192.0.2.8')!
    await lists.lookup({ client: other })
    bad.mood = 'lying'
    now += 120_000
    assert.deepEqual((await lists.lookup({ client: other })).hits, [])
    assert.deepEqual(
      changes.map(({ from, to }) => [from, to]),
      [['well', 'lying']],
    )
    bad.mood = 'well'
    await lists.probeAll()
    assert.deepEqual((await lists.lookup({ client: other })).hits, [], 'its lies are forgotten')
  })

  it('stops asking a list that begins to refuse', async () => {
    await lists.lookup({ client })
    server.serve('9.2.0.192.bad.test', ({ name }) => ({ answers: [recordOf('A', name, '127.255.255.255')] }))
    const { silent } = await lists.lookup({ client: parseIp('192.0.2.9')! })
    assert.match(silent[0]!.why, /127\.255\.255\.255: too many questions/)
    assert.equal((await lists.lookup({ client })).silent.length, 1)
    assert.deepEqual(
      changes.map(({ to }) => to),
      ['refused'],
    )
  })

  it('leaves a list alone when half of its answers fail', async () => {
    await lists.lookup({ client })
    server.serve('0.192.bad.test', () => SERVFAIL)
    for (let last = 1; last <= 12; last++) await lists.lookup({ client: parseIp(`192.0.3.${last}`)! })
    assert.deepEqual(
      changes.map(({ to }) => to),
      ['failing'],
    )
    assert.equal(server.count('3.0.192.bad.test'), 9, 'one good answer and nine bad ones')
    await lists.probeAll()
    assert.equal(lists.reports()[0]!.state, 'well')
  })

  it('counts a failure once, however many ask for the same', async () => {
    await lists.lookup({ client })
    server.serve('8.2.0.192.bad.test', () => SERVFAIL)
    for (let index = 0; index < 30; index++) await lists.lookup({ client: parseIp('192.0.2.8')! })
    assert.deepEqual(changes, [])
  })

  it('says what it knows at its deadline', async () => {
    const slow = new DnsList(server, 'slow.test')
    slow.slowMs = 600
    open([zoneOf('bad.test'), zoneOf('slow.test')], { deadlineMs: 200 })
    await lists.probeAll()
    slow.mood = 'slow'
    const started = performance.now()
    const { hits, silent } = await lists.lookup({ client })
    assert.ok(performance.now() - started < 550)
    assert.equal(sumOf(hits), 3)
    assert.deepEqual(silent, [{ label: 'slow.test', part: 'client', why: 'late' }])
  })

  it('lets the first lookup wait for the first probe, within the deadline', async () => {
    bad.mood = 'dead'
    open([zoneOf('bad.test')], { deadlineMs: 100 })
    assert.deepEqual((await lists.lookup({ client })).silent, [{ label: 'bad.test', part: 'client', why: 'late' }])
  })

  it('takes a list without test entries for well while it does not lie', async () => {
    for (const entry of [...bad.entries.keys()]) if (entry !== '7.2.0.192') bad.entries.delete(entry)
    open([zoneOf('bad.test', { test: false })])
    assert.equal(sumOf((await lists.lookup({ client })).hits), 3)
    bad.mood = 'lying'
    await lists.probeAll()
    assert.equal(lists.reports()[0]!.state, 'lying')
  })

  it('probes again by itself until the list is well', async () => {
    bad.mood = 'gone'
    const well = new Promise<HealthChange>((resolve) => {
      const onHealth = (change: HealthChange) => {
        if (change.to === 'dead') bad.mood = 'well'
        else resolve(change)
      }
      open([zoneOf('bad.test')], { onHealth, probeEveryMs: 20 })
    })
    lists.start()
    assert.equal((await well).to, 'well')
  })

  it('shows labels and never the zone', async () => {
    const key = 'abcdefghijklmnopqrst0123456'
    const paid = new DnsList(server, `${key}.zen.test`).add('7.2.0.192', '127.0.0.2')
    open([zoneOf(`${key}.zen.test`, { label: '***.zen.test' })])
    const answer = await lists.lookup({ client })
    paid.mood = 'lying'
    await lists.probeAll()
    const shown = JSON.stringify([answer, changes, lists.reports(), await lists.lookup({ client })])
    assert.ok(!shown.includes(key), shown)
    assert.match(shown, /\*\*\*\.zen\.test/)
  })
})
