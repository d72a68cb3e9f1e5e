import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type LoadedPolicy, formatProblem, loadPolicy } from '../../../src/config/load'
import { readDocument } from '../../../src/config/document'
import { providersSchema } from '../../../src/config/providers/schema'
import { mergeLayers } from '../../../src/egress/profile'
import { resolvePath } from '../../../src/egress/rules'
import { TestDirectory } from './fixtures'

const SHIPPED = path.join(__dirname, '../../../config/sluice/providers.yaml')

function load(yaml?: string): LoadedPolicy | string[] {
  const directory = new TestDirectory()
  try {
    if (yaml !== undefined) directory.write('config/sluice/providers.yaml', yaml)
    const loaded = loadPolicy(directory.path)
    return 'problems' in loaded ? loaded.problems.map(formatProblem) : loaded
  } finally {
    directory.remove()
  }
}

function fine(yaml?: string): LoadedPolicy {
  const loaded = load(yaml)
  assert.ok(!Array.isArray(loaded), Array.isArray(loaded) ? loaded.join('\n') : '')
  return loaded
}

function resolve(yaml: string | undefined, domain: string, ...mx: readonly string[]) {
  return resolvePath(fine(yaml).egress, { domain, mx, source: 'default' })
}

describe('the shipped providers', () => {
  const parsed = readDocument(readFileSync(SHIPPED, 'utf8'))
  assert.ok('document' in parsed)
  const { providers = {}, default: base } = providersSchema.parse(parsed.document.value)
  const { egress } = fine()

  for (const [name, provider] of Object.entries(providers)) {
    it(`know ${name} by its samples, and have figures with their source and date`, () => {
      assert.ok(provider !== false)
      const { is = [], is_not = [] } = provider
      assert.ok(is.length > 0 && is_not.length > 0, 'samples of both kinds')
      for (const { domain, mx } of is) assert.equal(egress.index.providerOf(domain, mx), name)
      for (const { domain, mx } of is_not) assert.notEqual(egress.index.providerOf(domain, mx), name)
      const { layer } = egress.providers.get(name)!
      for (const figure of Object.keys(layer.figures)) {
        const { provenance } = layer.origins.get(figure as keyof typeof layer.figures)!
        assert.match(provenance ?? '', /, 20\d\d-\d\d$/, figure)
      }
    })
  }

  it('know every suffix by a sample', () => {
    for (const provider of Object.values(providers)) {
      assert.ok(provider !== false)
      const hosts = (provider.is ?? []).flatMap(({ mx }) => mx)
      for (const suffix of provider.match?.mx_suffix ?? []) {
        // The other regions of a gateway are called as the first is.
        if (suffix === 'mimecast-offshore.com') continue
        assert.ok(
          hosts.some((host) => host.endsWith(`.${suffix}`)),
          suffix,
        )
      }
    }
  })

  it('have a default whose every figure has a source and a date', () => {
    assert.ok(base)
    for (const { figure, origin } of mergeLayers([egress.base]).values()) {
      assert.match(origin?.provenance ?? '', /, 20\d\d-\d\d$/, figure)
    }
  })

  it('hold the figures of the table', () => {
    const of = (name: string) => {
      const { layer } = egress.providers.get(name)!
      return [layer.figures.connections, layer.figures['sessions.messages'], layer.figures.tls]
    }
    assert.deepEqual(of('google'), [5, 50, 'required'])
    assert.deepEqual(of('yahoo'), [10, 20, undefined])
    assert.deepEqual(of('comcast'), [25, 1000, 'required'])
    assert.deepEqual(of('netvigator'), [5, 10, 'required'])
    assert.deepEqual(egress.providers.get('mail_ru')!.layer.figures.message_rate, { limit: 16, windowMs: 60_000 })
  })
})

describe('a providers.yaml of the operator', () => {
  it('changes single figures of a shipped provider', () => {
    const { profile, figures } = resolve('providers: {google: {connections: 3}}\n', 'gmail.com', 'a.google.com')
    assert.deepEqual([profile.connections, profile.tls.demand], [3, 'required'])
    assert.equal(
      figures.find(({ figure }) => figure === 'connections')!.origin!.place,
      'config/sluice/providers.yaml:1',
    )
  })

  it('takes a limit of an earlier layer away', () => {
    const yaml = 'domains:\n  Example.com:\n    unset: [message_rate]\n    provenance: we, 2026-11\n'
    const { profile, figures } = resolve(yaml, 'example.com', 'mx.example.com')
    assert.equal(profile.messageRate, undefined)
    const taken = figures.find(({ figure }) => figure === 'message_rate')!
    assert.deepEqual(taken.origin, { place: 'config/sluice/providers.yaml:3', provenance: 'we, 2026-11' })
  })

  it('removes a shipped provider', () => {
    assert.equal(resolve('providers: {apple: false}\n', 'icloud.com', 'mx01.mail.icloud.com').provider, undefined)
  })

  it('has a provider of its own, which wins where a shipped one matches the same', () => {
    const yaml = 'providers: {mine: {match: {mx_suffix: [google.com]}, sessions: off}}\n'
    const { provider, profile } = resolve(yaml, 'a.test', 'mx.google.com')
    assert.deepEqual([provider, profile.sessions], ['mine', 'off'])
    assert.equal(resolve(yaml, 'a.test', 'mx.googlemail.com').provider, 'google')
  })

  it('names sites in any order', () => {
    const yaml = 'sites: {mx2.a.test+mx1.a.test: {tls: {demand: required, min_version: 1.3}, size: 10MB}}\n'
    const { profile } = resolve(yaml, 'a.test', 'mx1.a.test', 'mx2.a.test')
    assert.deepEqual(profile.tls, { demand: 'required', minVersion: 'TLSv1.3' })
    assert.equal(profile.sizeBytes, 10 * 1024 ** 2)
  })

  it('changes the fingerprint', () => {
    assert.notEqual(fine().fingerprint, fine('providers: {google: {connections: 3}}\n').fingerprint)
  })

  it('may be empty', () => assert.equal(fine('# nothing\n').egress.providers.size, fine().egress.providers.size))
})

describe('mistakes in providers.yaml', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'a provider that can never match',
      'providers:\n  mine: {connections: 3}\n',
      /^2:3 providers\.mine: can never match/,
    ],
    ['an empty match', 'providers: {mine: {match: {}}}\n', /^1:13 providers\.mine: can never match/],
    ['a removal of nothing', 'providers: {mine: false}\n', /no provider of this name is shipped/],
    ['a leading dot', provider('mx_suffix: [.a.test]'), /"\.a\.test" begins with a dot or \*: write a\.test/],
    ['a wildcard', provider("mx_suffix: ['*.a.test']"), /write a\.test/],
    ['a trailing dot', provider('mx_suffix: [a.test.]'), /ends with a dot: write a\.test$/],
    ['a public suffix', provider('mx_suffix: [co.uk]'), /"co\.uk" is a public suffix/],
    ['a top-level domain', provider('mx_suffix: [com]'), /public suffix/],
    ['an address', provider('mx_host: [192.0.2.1]'), /is an address: an MX record names a host/],
    ['no name', provider('domain: [a b]'), /is no name of a host/],
    ['the same suffix twice', provider('mx_suffix: [a.test, a.test]'), /stands here twice/],
    ['a narrower suffix of its own', provider('mx_suffix: [a.test, b.a.test]'), /shadowed by mx_suffix a\.test/],
    [
      'a host under its own suffix',
      provider('mx_suffix: [a.test], mx_host: [m.a.test]'),
      /shadowed by mx_suffix a\.test/,
    ],
    [
      'a rule of another provider',
      'providers:\n  one: {match: {domain: [a.test]}}\n  two: {match: {domain: [a.test]}}\n',
      /^3:26 providers\.two\.match\.domain\[0\]: "a\.test" is shadowed by provider one/,
    ],
    ['an unknown key', 'providers: {google: {conections: 3}}\n', /^1:22 .*unknown key, did you mean "connections"\?/],
    ['an unknown section', 'provider: {}\n', /unknown key, did you mean "providers"\?/],
    ['a figure out of range', 'default: {connections: 0}\n', /^1:24 default\.connections: must be at least 1, not 0/],
    ['a rate that is too high', 'default: {message_rate: 20000/s}\n', /out of range: at most 10000\/s/],
    ['a rate of bytes', 'default: {message_rate: 5MB/s}\n', /counts bytes/],
    ['a time out of range', 'default: {timeouts: {dot: 2h}}\n', /out of range: from 1s to 1h/],
    ['a size that is too small', 'default: {size: 1kB}\n', /at least 64kB/],
    ['a share that is too large', 'default: {retry: {jitter: 80%}}\n', /from 0% to 50%/],
    ['no version of TLS', 'default: {tls: {min_version: 2}}\n', /no version of TLS/],
    ['no demand', 'default: {tls: maybe}\n', /"maybe" is none of opportunistic, required/],
    ['a first wait above the longest', 'default: {retry: {first: 3h}}\n', /the first wait is longer than the longest/],
    ['a figure that is said and taken away', 'default: {size: 1MB, unset: [size]}\n', /has a value here too/],
    ['a needed figure taken away', 'default: {unset: [connections]}\n', /"connections" is none of message_rate/],
    ['a provenance without a date', 'default: {provenance: we}\n', /says who, and since when/],
    [
      'a provenance of no figure',
      "default: {provenance: {colour: 'we, 2026-11'}}\n",
      /provenance\.colour: unknown key: what may stand here is all, sessions/,
    ],
    ['the same site twice', 'sites: {a.test+b.test: {}, b.test+a.test: {}}\n', /is the same as a\.test\+b\.test/],
    ['a site that is none', 'sites: {a b: {}}\n', /a site is written/],
    ['the same domain twice', 'domains: {a.test: {}, A.test: {}}\n', /is the same as a\.test/],
    [
      'a sample that is of nobody',
      'providers: {mine: {match: {mx_suffix: [a.test]}, is: [{domain: b.test, mx: [m.b.test]}]}}\n',
      /providers\.mine\.is\[0\]: the sample does not hold: b\.test at m\.b\.test is of no provider/,
    ],
    [
      'a sample that should not match',
      'providers: {mine: {match: {mx_suffix: [a.test]}, is_not: [{domain: b.test, mx: [m.a.test]}]}}\n',
      /is_not\[0\]: the sample does not hold: b\.test at m\.a\.test is of mine/,
    ],
    ['another form of the file', 'version: 2\n', /version/],
    ['no sections', '[a]\n', /must be lines of "key: value"/],
    ['wrong syntax', 'default: {\n', /opened with \{ and never closed/],
  ]

  function provider(match: string): string {
    return `providers: {mine: {match: {${match}}}}\n`
  }

  for (const [what, yaml, expected] of cases) {
    it(`${what} is refused, with the line`, () => {
      const problems = load(yaml)
      assert.ok(Array.isArray(problems), 'it is taken')
      assert.equal(problems.length, 1, problems.join('\n'))
      const file = 'config/sluice/providers.yaml:'
      assert.ok(problems[0]!.startsWith(file))
      assert.match(problems[0]!.slice(file.length), expected)
    })
  }

  it('never shows a password that was put there', () => {
    const problems = load('default: {tls: "redis://u:s3cret@host"}\n')
    assert.ok(Array.isArray(problems))
    assert.doesNotMatch(problems.join(), /s3cret/)
  })
})
