import assert from 'node:assert/strict'
import fc from 'fast-check'
import { hash32, keyText, keyValue } from '../../../src/keys/key'
import { MAX_KEY_LENGTH } from '../../../src/store/store'

/** Text as an attacker may write it: separators, escapes, NUL, letters of all alphabets, halves of surrogate pairs. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({
    unit: fc.constantFrom('|', '%', '#', '\0', '7', 'C', 'a', 'A', '/', ' ', '\ud800', '\udc00', '\ufffd', 'é', '😀'),
  }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 100 }),
)
const tuples = fc.array(hostile, { minLength: 1, maxLength: 5 })

describe('keys', () => {
  it('keep ordinary values readable', () => {
    assert.equal(keyText('sender', ['user@example.com']), 'sender|user@example.com')
    assert.equal(keyText('mine', ['192.0.2.0/24', '2001:db8::/64', '<>']), 'mine|192.0.2.0/24|2001:db8::/64|<>')
  })

  it('of two values are two', () => {
    fc.assert(
      fc.property(hostile, hostile, (a, b) => {
        assert.equal(keyValue(a) === keyValue(b), a === b)
      }),
      { numRuns: 2000 },
    )
  })

  it('of two tuples are two', () => {
    fc.assert(
      fc.property(tuples, tuples, (a, b) => {
        const same = a.length === b.length && a.every((value, index) => value === b[index])
        assert.equal(keyText('rule', a) === keyText('rule', b), same)
      }),
      { numRuns: 2000 },
    )
  })

  it('of values that differ in what encodings confuse are two', () => {
    const pairs: [string, string][] = [
      ['\ud800', '\ufffd'],
      ['\ud800', '\udc00'],
      ['a\ud800', 'a\udbff'],
      ['%41', 'A'],
      ['%7C', '|'],
      ['|', '%7c'],
      ['é', 'e\u0301'],
      ['a\0', 'a'],
      ['#', '%23'],
      ['a|b', 'a%7Cb'],
      [`${'x'.repeat(10_000)}a`, `${'x'.repeat(10_000)}b`],
      [`${'x'.repeat(10_000)}\ud800`, `${'x'.repeat(10_000)}\udc00`],
    ]
    for (const [a, b] of pairs)
      assert.notEqual(keyValue(a), keyValue(b), JSON.stringify([a.slice(0, 9), b.slice(0, 9)]))
    assert.notEqual(keyText('rule', ['a', 'b']), keyText('rule', ['a|b']))
    assert.notEqual(keyText('rule', ['', 'a']), keyText('rule', ['a', '']))
  })

  it('of a value do not pass for the digest of another', () => {
    const digest = keyValue('x'.repeat(100))
    assert.match(digest, /^#[\w-]{22}$/)
    assert.notEqual(keyValue(digest), digest)
  })

  it('are printable ASCII of bounded length, whatever they are made of', () => {
    fc.assert(
      fc.property(tuples, (values) => {
        const key = keyText('rule', values)
        assert.match(key, /^[\x21-\x7e]*$/)
        assert.ok(key.length <= MAX_KEY_LENGTH)
      }),
    )
    const longRule = `${'r'.repeat(40)}/26`
    for (const length of [71, 72, 73, 253, 10_000]) {
      const values = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(length))
      const key = keyText(longRule, values)
      assert.ok(key.length <= MAX_KEY_LENGTH, `${length}: ${key.length}`)
      assert.ok(key.startsWith(`${longRule}|`))
      assert.notEqual(key, keyText(longRule, [...values.slice(0, 4), 'f'.repeat(length)]))
    }
  })
})

describe('hash32', () => {
  it('is FNV-1a, for ever: canary shares hang on it', () => {
    assert.equal(hash32(''), 0x811c9dc5)
    assert.equal(hash32('a'), 0xe40c292c)
    assert.equal(hash32('foobar'), 0xbf9cf968)
  })
})
