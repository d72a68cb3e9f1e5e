import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseReply, tellReply } from '../../../src/egress/smtp-reply'

describe('what a server answers', () => {
  it('is read with its enhanced code, of several digits too', () => {
    const cases: [string[], number, string | undefined, string][] = [
      [['250 fine'], 250, undefined, 'fine'],
      [['421 4.7.28 Slow down'], 421, '4.7.28', 'Slow down'],
      [['550-5.7.606 Access denied,', '550 5.7.606 banned sender'], 550, '5.7.606', 'Access denied, banned sender'],
      [['550 #5.1.0 Address rejected.'], 550, '5.1.0', 'Address rejected.'],
      [['451 4.7.1'], 451, '4.7.1', ''],
      [['354'], 354, undefined, ''],
      [['what?'], 0, undefined, 'what?'],
      [[], 0, undefined, ''],
    ]
    for (const [lines, code, enhanced, text] of cases) assert.deepEqual(parseReply(lines), { code, enhanced, text })
  })

  it('has no enhanced code of another class, on a later line, or that is part of a number', () => {
    for (const lines of [
      ['550 4.7.1 who are you'],
      ['550-no', '550 5.7.1 such'],
      ['550 5.7.1.2 is an address'],
      ['550 5.7.1234'],
      ['550 15.7.1'],
      ['550 see 5.7.1'],
    ]) {
      assert.equal(parseReply(lines).enhanced, undefined, lines.join('|'))
    }
  })

  const digits = fc.integer({ min: 0, max: 999 })
  const word = fc.stringMatching(/^[A-Za-z]{1,12}$/)

  it('comes out as it was put together', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(2, 4, 5),
        fc.integer({ min: 0, max: 99 }),
        digits,
        digits,
        fc.array(word, { minLength: 1, maxLength: 20 }),
        (kind, rest, subject, detail, words) => {
          const code = `${kind}${String(rest).padStart(2, '0')}`
          const enhanced = `${kind}.${subject}.${detail}`
          const lines = words.map((text, place) => `${code}${place < words.length - 1 ? '-' : ' '}${enhanced} ${text}`)
          const reply = parseReply(lines)
          assert.deepEqual(reply, { code: Number(code), enhanced, text: words.join(' ') })
          assert.equal(tellReply(reply), `${code} ${enhanced} ${words.join(' ')}`)
        },
      ),
    )
  })

  it('is one short line, whatever was said', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 2000 })), (lines) => {
        const { code, enhanced, text } = parseReply(lines)
        assert(code === 0 || (code >= 200 && code < 600))
        assert(enhanced === undefined || enhanced.startsWith(`${Math.floor(code / 100)}.`))
        assert(text.length <= 1000)
        // eslint-disable-next-line no-control-regex
        assert.doesNotMatch(text, /[\x00-\x1f\x7f]/)
      }),
    )
  })
})
