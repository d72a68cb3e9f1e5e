import assert from 'node:assert/strict'
import { Classifier, type ResponseRule } from '../../../src/feedback/classifier'
import { readResponse } from '../../../src/feedback/read-response'

const rule = (name: string, changes: Partial<ResponseRule>): ResponseRule => ({
  name,
  says: [],
  not: [],
  responseClass: 'rate',
  scope: 'path',
  isPassing: false,
  consequences: [],
  ...changes,
})
const UNKNOWN = { phase: undefined, provider: undefined }

describe('a classifier of answers', () => {
  const ruleFor = (rules: readonly ResponseRule[], text: string, known: Parameters<typeof readResponse>[1] = UNKNOWN) =>
    new Classifier(rules).classify(readResponse(text, known)).rule?.name

  it('takes the first rule that fits, with words or without', () => {
    const rules = [
      rule('words', { says: [['slow down']] }),
      rule('code', { codes: ['421'] }),
      rule('more words', { says: [['too many', 'slow down']] }),
    ]
    assert.equal(ruleFor(rules, '421 Slow down'), 'words')
    assert.equal(ruleFor(rules, '421 Too many'), 'code')
    assert.equal(ruleFor(rules, '450 Too many'), 'more words')
    assert.equal(ruleFor(rules, '450 no'), undefined)
  })

  it('wants one word of each list, and none of the others', () => {
    const rules = [rule('one', { says: [['a', 'b'], ['c']], not: ['d'] })]
    assert.equal(ruleFor(rules, '450 b x c'), 'one')
    for (const text of ['450 a b', '450 c', '450 a c d']) assert.equal(ruleFor(rules, text), undefined)
  })

  it('knows whom an answer is of, and what it is to', () => {
    const rules = [rule('one', { providers: ['google'], phases: ['rcpt'], codes: ['4'] })]
    assert.equal(ruleFor(rules, '450 no', { provider: 'google', phase: 'rcpt' }), 'one')
    assert.equal(ruleFor(rules, '450 no', { provider: 'yahoo', phase: 'rcpt' }), undefined)
    assert.equal(ruleFor(rules, '450 no', { provider: 'google', phase: undefined }), undefined)
    assert.equal(ruleFor(rules, '550 no', { provider: 'google', phase: 'rcpt' }), undefined)
  })

  it('compares enhanced codes as printed, of either kind, and by how they begin', () => {
    const of = (enhanced: string, answer: string) => ruleFor([rule('one', { enhanced: [enhanced] })], answer)
    assert.equal(of('4.7.28', '421-4.7.28 x'), 'one')
    assert.equal(of('4.7.2', '421 4.7.28 x'), undefined)
    assert.equal(of('.1.1', '550 5.1.1 x'), 'one')
    assert.equal(of('.1.1', '550 5.1.10 x'), undefined)
    assert.equal(of('5.1.', '550 5.1.10 x'), 'one')
    assert.equal(of('.7.', '451 4.7.500 x'), 'one')
    assert.equal(of('.7.', '550 no'), undefined)
  })

  it('says what is final, and where there is nobody', () => {
    const of = (changes: Partial<ResponseRule>, answer: string) => {
      const { isFinal, isHard } = new Classifier([rule('one', { codes: ['4', '5'], ...changes })]).classify(
        readResponse(answer, UNKNOWN),
      )
      return [isFinal, isHard]
    }
    assert.deepEqual(of({ responseClass: 'invalid' }, '550 5.1.1 no'), [true, true])
    assert.deepEqual(of({ responseClass: 'invalid' }, '450 4.1.1 no'), [false, false])
    assert.deepEqual(of({ responseClass: 'content' }, '550 no'), [true, false])
    assert.deepEqual(of({ responseClass: 'rate', isPassing: true }, '550 too fast'), [false, false])
    const none = new Classifier([]).classify(readResponse('550 no', UNKNOWN))
    assert.deepEqual([none.responseClass, none.isFinal, none.rule], ['unknown', true, undefined])
  })

  it('throws for a phrase without a word', () => {
    assert.throws(() => new Classifier([rule('one', { says: [['--']] })]), RangeError)
  })
})
