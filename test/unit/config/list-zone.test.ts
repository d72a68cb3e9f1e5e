import assert from 'node:assert/strict'
import { explainAsYaml, explainPolicy } from '../../../src/config/explain'
import { loadPolicy } from '../../../src/config/load'
import { matchesCode } from '../../../src/dns/list-spec'
import { TestDirectory } from './fixtures'

const KEY = 'abcdefghijklmnopqrst0123456'

describe('a DNS list in the configuration', () => {
  let directory: TestDirectory
  afterEach(() => directory.remove())

  function load(zones: string) {
    directory = new TestDirectory(`limits: {sender_domain: false}\ndnsbl:\n  zones:\n${zones}`)
    const loaded = loadPolicy(directory.path)
    assert.ok('policy' in loaded, JSON.stringify(loaded))
    return loaded
  }

  it('is a list of addresses with a point a listing, unless it says otherwise', () => {
    const [zone] = load('    - zone: Bad.Example.NET\n').policy.config.dnsbl.zones
    const { codes, ...rest } = zone!
    assert.deepEqual(rest, {
      ...{ zone: 'bad.example.net', label: 'bad.example.net', kind: 'ip', on: ['client'] },
      ...{ ban: false, test: '127.0.0.2' },
    })
    assert.equal(codes.length, 1)
    assert.equal(codes[0]!.weight, 1)
    assert.ok(matchesCode(codes[0]!.pattern, '127.3.2.1'))
  })

  it('may be written with the dot at the end that DNS has', () => {
    const [zone] = load('    - zone: Bad.example.net.\n').policy.config.dnsbl.zones
    assert.deepEqual([zone!.zone, zone!.label], ['bad.example.net', 'bad.example.net'])
  })

  it('has points by code, also as keys of a block', () => {
    const [zone] = load('    - zone: zen.example\n      codes:\n        127.0.0.[2..3]: 4\n        127.0.0.9: -1.5\n')
      .policy.config.dnsbl.zones
    assert.deepEqual(
      zone!.codes.map(({ pattern: { text }, weight }) => [text, weight]),
      [
        ['127.0.0.[2..3]', 4],
        ['127.0.0.9', -1.5],
      ],
    )
  })

  it('of domains is asked about HELO and sender', () => {
    const [both, one] = load('    - {zone: a.test, kind: domain}\n    - {zone: b.test, kind: domain, on: [sender]}\n')
      .policy.config.dnsbl.zones
    assert.deepEqual([both!.on, both!.test, one!.on], [['helo', 'sender'], 'TEST', ['sender']])
  })

  it('is shown without its key', () => {
    const loaded = load(
      `    - zone: ${KEY}.zen.dq.example\n    - {zone: ${KEY}.dbl.dq.example, kind: domain, label: paid}\n`,
    )
    assert.deepEqual(
      loaded.policy.config.dnsbl.zones.map(({ zone, label }) => [zone, label]),
      [
        [`${KEY}.zen.dq.example`, '***.zen.dq.example'],
        [`${KEY}.dbl.dq.example`, 'paid'],
      ],
    )
    const shown = JSON.stringify(explainPolicy(loaded)) + explainAsYaml(loaded)
    assert.doesNotMatch(shown, new RegExp(KEY))
    assert.match(shown, /zone: "?\*\*\*\.zen\.dq\.example/)
  })
})
