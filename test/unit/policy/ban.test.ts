import assert from 'node:assert/strict'
import fc from 'fast-check'
import { MOST_REASON, cleanReason, isAutomatic, readOrigin, readTarget } from '../../../src/policy/ban'
import { targetOf } from '../gates/jail/fixtures'

const problemOf = (text: string) => {
  const read = readTarget(text)
  return 'problem' in read ? read.problem : assert.fail(`${text} reads as ${read.target.text}`)
}

describe('ban targets', () => {
  it('are addresses and networks, in one spelling each', () => {
    const spelled = {
      '192.0.2.7': '192.0.2.7',
      ' 192.0.2.7\n': '192.0.2.7',
      '192.0.2.7/32': '192.0.2.7',
      '192.0.2.7/24': '192.0.2.0/24',
      '::ffff:192.0.2.7': '192.0.2.7',
      '2001:db8::7/48': '2001:db8::/48',
    }
    for (const [text, canonical] of Object.entries(spelled)) assert.equal(targetOf(text).text, canonical)
  })

  it('are no narrower in IPv6 than what one customer has, since he may take any address of it', () => {
    for (const text of ['2001:DB8:0::7', '2001:db8::7/128', '2001:db8::9/127', '2001:db8::/65', '2001:db8::/64']) {
      assert.equal(targetOf(text).text, '2001:db8::/64', text)
    }
  })

  it('are accounts and sender domains, in lower case', () => {
    assert.deepEqual(targetOf('account:Ann@Example.com'), {
      kind: 'account',
      name: 'ann@example.com',
      text: 'account:ann@example.com',
    })
    for (const text of ['Spam.Example', 'domain:spam.example']) {
      assert.deepEqual(targetOf(text), { kind: 'domain', name: 'spam.example', text: 'domain:spam.example' })
    }
    assert.equal(targetOf('account:a|b').text, 'account:a|b')
  })

  it('are no half of the internet', () => {
    assert.match(problemOf('192.0.0.0/7'), /too wide: at least \/8 for IPv4/)
    assert.match(problemOf('0.0.0.0/0'), /too wide/)
    assert.match(problemOf('2000::/15'), /too wide: at least \/16 for IPv6/)
  })

  it('are nothing else, and it says how to write one', () => {
    const hostile = ['', ' ', 'x', 'account:', 'account:a b', 'account:ä', 'account:' + 'a'.repeat(201), 'domain:']
    const more = ['domain:com', '1.2.3', '300.1.1.1', 'a..b', 'exa mple.com', 'a.b/24', '192.0.2.0/33', 'a.b\u202e.com']
    for (const text of [...hostile, ...more]) assert.match(problemOf(text), /write an address/, text)
    assert.match(problemOf('Ann@example.com'), /write account:ann@example\.com/)
  })

  it('that are hostile are told about in a few words and at once', () => {
    const began = performance.now()
    for (const text of ['1:', ':', 'a.', '1.', '@', 'account:', '\0', 'a@'].map((part) => part.repeat(8000))) {
      assert.ok(problemOf(text).length < 300)
    }
    assert.ok(performance.now() - began < 1000)
  })

  it('read back the same from their text', () => {
    const byte = fc.integer({ min: 0, max: 255 })
    const v4 = fc.tuple(fc.array(byte, { minLength: 4, maxLength: 4 }), fc.integer({ min: 8, max: 32 }))
    const word = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16))
    const v6 = fc.tuple(fc.array(word, { minLength: 8, maxLength: 8 }), fc.integer({ min: 16, max: 128 }))
    const text = fc.oneof(
      v4.map(([bytes, bits]) => `${bytes.join('.')}/${bits}`),
      v6.map(([words, bits]) => `${words.join(':')}/${bits}`),
      fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((name) => `account:${name}`),
      fc.string({ unit: fc.constantFrom(...'aZ09-_..'), maxLength: 80 }),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(text, (input) => {
        const read = readTarget(input)
        if ('problem' in read) return
        assert.deepEqual(readTarget(read.target.text), read)
        assert.match(read.target.text, /^[\x21-\x7e]+$/)
      }),
    )
  })
})

describe('origins and reasons', () => {
  it('are one word', () => {
    for (const word of ['operator', 'fail2ban', 'a.b-c_d']) assert.equal(readOrigin(word), word)
    for (const text of ['', 'A', 'a b', '-a', 'a\n', 'x'.repeat(41)]) assert.equal(readOrigin(text), undefined, text)
  })

  it('of the jail are told from those of people', () => {
    assert.deepEqual(
      ['jail', 'dnsbl', 'operator', 'fail2ban'].map((origin) => isAutomatic({ origin })),
      [true, true, false, false],
    )
  })

  it('are one line that does nothing to a terminal', () => {
    assert.equal(cleanReason(' Überfall\r\n\x1b[31m rot\u2028\u202e\u200b\x9b! '), 'Überfall [31m rot !')
    assert.equal(cleanReason('😀'.repeat(300)), '😀'.repeat(MOST_REASON))
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
        const clean = cleanReason(text)
        assert.equal(cleanReason(clean), clean)
        assert.doesNotMatch(clean, /[\p{C}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
