import assert from 'node:assert/strict'
import { type MapEntry, buildOverrides, parseMap, readOverrideKey, readOverrideValue } from '../../../src/config/maps'
import { parseIp } from '../../../src/keys/address'

function keyOf(text: string): string {
  const read = readOverrideKey(text)
  return 'value' in read ? `${read.value.kind} ${read.value.text}` : 'problem'
}

const perMinute = (limit: number) => ({ kind: 'windows', windows: [{ limit, windowMs: 60_000 }] })

function entriesOf(text: string): MapEntry[] {
  const { entries, problems } = parseMap(text)
  assert.deepEqual(problems, [])
  return entries
}

describe('override keys', () => {
  it('tells networks, addresses, accounts and domains apart', () => {
    const cases = {
      '192.0.2.7': 'network 192.0.2.7/32',
      '192.0.2.7/24': 'network 192.0.2.0/24',
      '::ffff:192.0.2.0/120': 'network 192.0.2.0/24',
      '0.0.0.0/0': 'network 0.0.0.0/0',
      'user@example.com': 'address user@example.com',
      'account:ann': 'account ann',
      'account:Ann@Example.com': 'account ann@example.com',
      'example.com': 'domain example.com',
      localhost: 'domain localhost',
      '_dmarc.example.com': 'domain _dmarc.example.com',
      '3com.com': 'domain 3com.com',
    }
    for (const [text, key] of Object.entries(cases)) assert.equal(keyOf(text), key, text)
    assert.match(keyOf('2001:db8::/32'), /^network 32\.1\.13\.184\..*\/32$/)
  })

  it('folds as the keys of rules are folded', () => {
    assert.equal(keyOf('User+tag@EXAMPLE.com'), 'address user@example.com')
    assert.equal(keyOf('prvs=2034e5b3d5=user@example.com'), 'address user@example.com')
    assert.equal(keyOf('Example.COM.'), 'domain example.com')
    assert.equal(keyOf('bücher.example'), 'domain xn--bcher-kva.example')
    assert.equal(keyOf('user@bücher.example'), 'address user@xn--bcher-kva.example')
  })

  it('refuses what is none of them', () => {
    const wrong = ['10/8', '10.0/8', '192.0.2.0/33', '192.0.2.256', '2001:db8::/129', '*.example.com', '.example.com']
    const strange = [
      '@example.com',
      'user@',
      'user@-x.com',
      'a b',
      'a..b',
      '-a.com',
      `${'a'.repeat(64)}.com`,
      'account:',
    ]
    for (const text of [...wrong, ...strange, 'x'.repeat(300), '', 'http://example.com', 'a/b']) {
      assert.equal(keyOf(text), 'problem', text)
    }
  })
})

describe('override values', () => {
  it('are exempt or any limit', () => {
    assert.deepEqual(readOverrideValue('exempt'), { value: 'exempt' })
    assert.deepEqual(readOverrideValue('5/min'), { value: perMinute(5) })
    assert.deepEqual(readOverrideValue({ concurrency: 5 }), { value: { kind: 'concurrency', most: 5 } })
    assert.deepEqual(readOverrideValue({ rate: '10/s', burst: 5 }), {
      value: { kind: 'rate', intervalMs: 100, burst: 5 },
    })
    for (const wrong of [
      'Exempt',
      '',
      5,
      null,
      true,
      false,
      {},
      [],
      undefined,
      [5],
      { rate: '10/s', concurrency: 5 },
    ]) {
      assert.ok('problem' in readOverrideValue(wrong), JSON.stringify(wrong))
    }
  })
})

describe('map files', () => {
  it('hold one key and its limits a line, comments and empty lines aside', () => {
    const entries = entriesOf(
      [
        '# a comment',
        '',
        '  gmail.com   2000/min , 20000/h  # why',
        'user#1@example.com\t5/min',
        '192.0.2.0/24 exempt',
      ].join('\r\n'),
    )
    assert.deepEqual(
      entries.map(({ key, line }) => [key.kind, key.text, line]),
      [
        ['domain', 'gmail.com', 3],
        ['address', 'user#1@example.com', 4],
        ['network', '192.0.2.0/24', 5],
      ],
    )
    assert.deepEqual(entries[0]!.value, {
      kind: 'windows',
      windows: [
        { limit: 2000, windowMs: 60_000 },
        { limit: 20_000, windowMs: 3_600_000 },
      ],
    })
  })

  it('are looked up by kind, the longest network first', () => {
    const overrides = buildOverrides(
      entriesOf('a.example 1/min\nu@a.example 2/min\naccount:u 3/min\n10.0.0.0/8 4/min\n10.1.0.0/16 exempt\n'),
    )
    assert.deepEqual(overrides.domains.get('a.example'), perMinute(1))
    assert.deepEqual(overrides.addresses.get('u@a.example'), perMinute(2))
    assert.deepEqual(overrides.accounts.get('u'), perMinute(3))
    assert.deepEqual(overrides.networks.find(parseIp('10.2.0.1')!), perMinute(4))
    assert.equal(overrides.networks.find(parseIp('10.1.0.1')!), 'exempt')
    assert.equal(overrides.networks.find(parseIp('11.0.0.1')!), undefined)
  })

  it('tell every wrong line with its place, up to a hundred', () => {
    const { problems, entries } = parseMap('example.com\n  10/8 5/min\nok.example 5/min\nexample.net 5\n')
    assert.deepEqual(
      problems.map(({ line, column, key }) => [line, column, key]),
      [
        [1, 1, 'example.com'],
        [2, 3, '10/8'],
        [4, 1, 'example.net'],
      ],
    )
    assert.equal(entries.length, 1)
    assert.equal(parseMap('x\n'.repeat(1000)).problems.length, 100)
  })

  it('may not name the same correspondent twice, however it is written', () => {
    const { problems } = parseMap('192.0.2.1/24 5/min\n192.0.2.0/24 5/min\nA@b.example 5/min\na+x@B.example 6/min\n')
    assert.deepEqual(
      problems.map(({ line, message }) => [line, message]),
      [
        [2, 'stands in line 1 too: keep one'],
        [4, 'stands in line 3 too: keep one'],
      ],
    )
  })

  it('of 200,000 entries are read in the time of a reload', () => {
    const text = Array.from({ length: 200_000 }, (_, index) => `d${index}.example ${1 + (index % 7)}/min`).join('\n')
    const started = performance.now()
    assert.equal(entriesOf(text).length, 200_000)
    assert.ok(performance.now() - started < 5000)
  })

  it('of hostile lines are read in linear time', () => {
    const started = performance.now()
    for (const filler of [' ', '#', ',', '\t ', ' #', 'a', '1/', '.']) parseMap(filler.repeat(1e6))
    parseMap(`a.example ${' '.repeat(1e6)}x`)
    assert.ok(performance.now() - started < 2000)
  })
})
