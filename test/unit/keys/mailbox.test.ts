import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NULL_SENDER, foldRecipient, foldSender, organisationalDomain } from '../../../src/keys/mailbox'

const sender = (local: string, domain = 'example.com') => foldSender(local, domain).address
const local = (text: string) => sender(text).replace(/@example\.com$/, '')

describe('folding senders', () => {
  it('knows the null sender', () => {
    assert.equal(foldSender('', ''), NULL_SENDER)
    assert.deepEqual(NULL_SENDER, { address: '<>', domain: '', organisation: '' })
    assert.notEqual(foldSender('postmaster', ''), NULL_SENDER)
  })

  it('compares without case, and without the root dot of a domain', () => {
    assert.deepEqual(foldSender('Ann.Lee', 'Mail.Example.COM.'), {
      address: 'ann.lee@mail.example.com',
      domain: 'mail.example.com',
      organisation: 'example.com',
    })
  })

  it('drops extensions', () => {
    assert.equal(local('user+tag'), 'user')
    assert.equal(local('user+a+b'), 'user')
    assert.equal(local('user+'), 'user')
    assert.equal(local('+user'), '+user')
    assert.equal(local('user-tag'), 'user-tag')
  })

  it('takes off quotes that say nothing', () => {
    assert.equal(local('"user"'), 'user')
    assert.equal(local('"us\\er"'), 'user')
    assert.equal(local('"user+tag"'), 'user')
    assert.equal(local('""'), '""')
  })

  it('drops bounce address tags (BATV), wherever the tag stands', () => {
    for (const tagged of [
      'prvs=2034e5b3d5=user',
      'PRVS=2034E5B3D5=User',
      'prvs=user/2034e5b3d5',
      'prvs=user=2034e5b3d5',
      'prvs=4554fbb2c=user',
      'btv1==056c81e9c1a==user',
    ]) {
      assert.equal(local(tagged), 'user', tagged)
    }
    assert.equal(local('prvs=2034e5b3d5=user+tag'), 'user')
    assert.equal(local('prvs='), 'prvs=')
    assert.equal(local('prvs=user'), 'prvs=user')
  })

  it('takes forwarded mail (SRS) for what the first sender sent, whoever forwarded it', () => {
    const first = 'srs=origin.example=user'
    for (const rewritten of [
      'SRS0=HHHH=TT=origin.example=user',
      'srs0+xxxx=tt=origin.example=user',
      'SRS0-xxxx=tt=Origin.example=User+tag',
      'SRS1=HHHH=forwarder.example==GGGG=TT=origin.example=user',
      'SRS1=JJJJ=other.example=-GGGG=TT=origin.example=user',
      'SRS0=HHHH=TT=origin.example=prvs=2034e5b3d5=user',
    ]) {
      assert.equal(local(rewritten), first, rewritten)
    }
    assert.notEqual(local('SRS0=HHHH=TT=other.example=user'), first)
  })

  it('takes a list for one sender, whomever it writes to (VERP)', () => {
    for (const verp of ['list-bounces-ann=example.org', 'list-b.lee=x.example.net', 'list+ann=example.org']) {
      assert.equal(local(verp), 'list', verp)
    }
    assert.equal(local('john-smith'), 'john-smith')
    assert.equal(local('a=b'), 'a=b')
    assert.equal(local('=x.y'), '=x.y')
    assert.equal(local('-ann=example.org'), '-ann=example.org')
  })

  it('never makes another address of an address by folding it once more', () => {
    const word = fc.constantFrom('a', 'user', '-', '+', '=', '.', 'prvs=', '2034e5b3d5', '/', 'srs0=', 'hh=tt=x.y=')
    const locals = fc.array(word, { minLength: 1, maxLength: 8 }).map((words) => words.join(''))
    const plain = locals.filter((text) => !/prvs|srs/.test(text))
    fc.assert(
      fc.property(plain, (text) => {
        const once = local(text)
        assert.equal(local(once), once)
      }),
    )
    fc.assert(fc.property(locals, (text) => assert.ok(local(text).length <= text.length + 'srs='.length)))
  })

  it('takes time linear in the length of a hostile local part', () => {
    const started = performance.now()
    for (const part of [
      'prvs=',
      'srs0=',
      'srs0=aa=b=c=',
      'srs1=aa=b==aa=b=c=',
      'prvs=2034e5b3d5=',
      '=',
      '-=.',
      '\\',
      '+',
    ]) {
      foldSender(part.repeat(20_000), 'example.com')
      foldRecipient(part.repeat(20_000), 'example.com')
    }
    assert.ok(performance.now() - started < 3000)
  })
})

describe('folding recipients', () => {
  it('drops case and extension, and leaves sender conventions alone', () => {
    assert.equal(foldRecipient('Ann+news', 'Example.com').address, 'ann@example.com')
    assert.equal(foldRecipient('list-ann=example.org', 'example.com').address, 'list-ann=example.org@example.com')
    assert.equal(foldRecipient('"ann"', 'example.com').address, 'ann@example.com')
    assert.equal(foldRecipient('postmaster', '').address, 'postmaster@')
  })
})

describe('organisational domains', () => {
  it('follow the Public Suffix List', () => {
    const cases = {
      'example.com': 'example.com',
      'a.b.example.co.uk': 'example.co.uk',
      'x.y.github.io': 'y.github.io',
      'github.io': 'github.io',
      'co.uk': 'co.uk',
      localhost: 'localhost',
      '[192.0.2.1]': '[192.0.2.1]',
      '[ipv6:2001:db8::1]': '[ipv6:2001:db8::1]',
      'mail.xn--bcher-kva.example': 'xn--bcher-kva.example',
      '': '',
    }
    for (const [domain, organisation] of Object.entries(cases)) assert.equal(organisationalDomain(domain), organisation)
  })

  it('are found however many names somebody makes up', () => {
    for (let index = 0; index < 25_000; index++) organisationalDomain(`h${index}.example.org`)
    assert.equal(organisationalDomain('h1.example.org'), 'example.org')
  })
})
