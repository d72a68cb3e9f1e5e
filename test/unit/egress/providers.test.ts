import assert from 'node:assert/strict'
import { type NamedMatch, ProviderIndex, pathName, siteName } from '../../../src/egress/providers'

function named(name: string, match: Partial<NamedMatch['match']>): NamedMatch {
  return { name, match: { mxSuffix: [], mxHost: [], domain: [], ...match } }
}

describe('the provider of a destination', () => {
  const index = new ProviderIndex([
    named('google', { mxSuffix: ['google.com', 'googlemail.com'] }),
    named('wide', { mxSuffix: ['outlook.com'] }),
    named('narrow', { mxSuffix: ['olc.protection.outlook.com'] }),
    named('host', { mxHost: ['mx1.outlook.com'] }),
    named('own', { domain: ['example.org'] }),
  ])

  const cases: readonly (readonly [string, readonly string[], string | undefined])[] = [
    ['a.test', ['aspmx.l.google.com', 'aspmx2.googlemail.com'], 'google'],
    ['a.test', ['ASPMX.L.Google.com.'], 'google'],
    ['a.test', ['google.com'], 'google'],
    ['a.test', ['mx.notgoogle.com'], undefined],
    ['a.test', ['google.com.evil.test'], undefined],
    ['a.test', ['aspmx.l.google.com', 'mx.a.test'], undefined],
    ['a.test', ['x.olc.protection.outlook.com'], 'narrow'],
    ['a.test', ['x.olc.protection.outlook.com', 'y.outlook.com'], 'wide'],
    ['a.test', ['mx1.outlook.com'], 'host'],
    ['a.test', ['mx1.outlook.com', 'mx2.outlook.com'], 'wide'],
    ['example.org', ['aspmx.l.google.com'], 'own'],
    ['Example.ORG.', ['mx.example.org'], 'own'],
    ['mail.example.org', ['mx.example.org'], undefined],
    ['a.test', [], undefined],
  ]
  for (const [domain, mx, expected] of cases) {
    it(`${domain} at ${mx.join(', ') || 'nowhere'}: ${expected ?? 'none'}`, () => {
      assert.equal(index.providerOf(domain, mx), expected)
    })
  }

  it('is the one that was named first where two are as close', () => {
    const two = new ProviderIndex([named('one', { mxSuffix: ['a.test'] }), named('two', { mxSuffix: ['a.test'] })])
    assert.equal(two.providerOf('x.test', ['mx.a.test']), 'one')
  })
})

describe('the name of a site', () => {
  it('is the same for the same hosts', () => {
    assert.equal(siteName(['mx2.a.test', 'MX1.a.test.']), 'mx1.a.test+mx2.a.test')
    assert.equal(siteName(['mx1.a.test', 'mx2.a.test', 'mx1.a.test']), 'mx1.a.test+mx2.a.test')
  })

  it('is never that of a provider', () => assert.equal(siteName(['google']), 'google.'))
})

describe('the name of a path', () => {
  it('is the part of a key', () => {
    assert.equal(pathName('default', 'google'), 'egress|default|google')
    assert.equal(pathName('default', siteName(['b.test', 'a.test'])), 'egress|default|a.test+b.test')
  })

  it('is bounded', () => {
    const hosts = Array.from({ length: 50 }, (_, index) => `mx${index}.example.test`)
    assert.ok(pathName('default', siteName(hosts)).length < 100)
  })
})
