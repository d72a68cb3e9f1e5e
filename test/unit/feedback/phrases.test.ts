import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Phrases, plainPhrase, plainText } from '../../../src/feedback/phrases'

const found = (phrases: readonly string[], text: string) => {
  const plain = phrases.map((phrase) => plainPhrase(phrase)!)
  const search = new Phrases(plain)
  const numbers: number[] = []
  search.find(plainText(text), (number) => numbers.push(number))
  for (const [number] of plain.entries()) assert.equal(search.has(number), numbers.includes(number))
  return numbers.sort((a, b) => a - b).map((number) => phrases[number])
}

describe('phrases', () => {
  it('are whole words, whatever their case and what stands between them', () => {
    const phrases = ['over quota', 'quota', 'mailbox full', 'no']
    assert.deepEqual(found(phrases, '552 <bob@example.com>: OVER-Quota (mailbox/full), nobody knows'), [
      'over quota',
      'quota',
      'mailbox full',
    ])
  })

  it('go on, or begin, within a word where a * stands', () => {
    const phrases = ['block*', '*quota', '*full*', 'block', 'quota']
    assert.deepEqual(found(phrases, 'it is blocked: overquota, unfullness'), ['block*', '*quota', '*full*'])
  })

  it('are found in every script', () => {
    assert.deepEqual(found(['пользователь не найден', 'boite pleine'], '550 Пользователь НЕ найден'), [
      'пользователь не найден',
    ])
  })

  it('are looked for without the addresses of mailboxes and hosts, which say nothing', () => {
    assert.deepEqual(
      found(['dkim', 'abuse'], '550 no <dkim@example.com>, ask abuse@example.net: user@abuse.example'),
      [],
    )
    assert.deepEqual(
      found(
        ['mailbox is full', 'your ip is blocked'],
        'mailbox <user@example.com> is full; your IP [192.0.2.1] is blocked',
      ),
      ['mailbox is full', 'your ip is blocked'],
    )
    assert.deepEqual(found(['version 1 2 3', 'rfc 5321'], 'version 1.2.3, RFC-5321'), ['version 1 2 3', 'rfc 5321'])
  })

  it('are nothing without a word', () => {
    for (const phrase of ['', ' ', '-.-', '*', '* *']) assert.equal(plainPhrase(phrase), undefined)
  })

  it('are not found any more in the next text', () => {
    const search = new Phrases([' a ', ' b '])
    search.find(' a ', () => undefined)
    search.find(' b ', () => undefined)
    assert.deepEqual([search.has(0), search.has(1)], [false, true])
  })

  it('are at most of 255 characters, and say so', () => {
    const all = Array.from({ length: 300 }, (_, index) => String.fromCharCode(0x4e00 + index))
    assert.throws(() => new Phrases(all), /300 different characters/)
  })

  it('are found as looking for each of them would find them', () => {
    const word = fc.stringMatching(/^[abc]{1,4}$/)
    const phrase = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => ` ${words.join(' ')} `)
    const cut = fc.tuple(phrase, fc.boolean(), fc.boolean()).map(([text, from, to]) => {
      return text.slice(from ? 1 : 0, to ? -1 : undefined)
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(cut, { minLength: 1, maxLength: 30 }),
        fc.array(word, { maxLength: 30 }),
        (phrases, words) => {
          const text = plainText(words.join(' '))
          const search = new Phrases(phrases)
          const numbers = new Set<number>()
          search.find(text, (number) => {
            assert.ok(!numbers.has(number), 'called back once for each')
            numbers.add(number)
          })
          for (const [number, one] of phrases.entries())
            assert.equal(numbers.has(number), text.includes(one), `"${one}"`)
        },
      ),
      { numRuns: 500 },
    )
  })
})
