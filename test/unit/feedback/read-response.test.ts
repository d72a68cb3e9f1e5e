import assert from 'node:assert/strict'
import { readResponse } from '../../../src/feedback/read-response'

describe('an answer as people have it', () => {
  const read = (text: string) => {
    const { code, enhanced, text: said } = readResponse(text, { phase: 'rcpt', provider: 'google' })
    return [code, enhanced, said]
  }

  it('is of one line or several', () => {
    assert.deepEqual(read('450 4.2.1 Later'), [450, '4.2.1', 'Later'])
    assert.deepEqual(read('421-4.7.28 An unusual rate\r\n421 4.7.28 of mail'), [
      421,
      '4.7.28',
      'An unusual rate of mail',
    ])
    const { phase, provider } = readResponse('250 fine', { phase: 'rcpt', provider: 'google' })
    assert.deepEqual([phase, provider], ['rcpt', 'google'])
  })

  it('has its enhanced code anywhere, if it is of the same kind', () => {
    assert.deepEqual(read('550 no mailbox here by that name. (#5.1.1)').slice(0, 2), [550, '5.1.1'])
    assert.deepEqual(read('550 sorry #5.7.1').slice(0, 2), [550, '5.7.1'])
    assert.deepEqual(read('550 sorry (4.7.1)').slice(0, 2), [550, undefined])
    assert.deepEqual(read('550 blocked: 5.9.12.7 is listed').slice(0, 2), [550, undefined])
  })

  it('may be of a report or a log', () => {
    assert.deepEqual(read('smtp; 550 5.1.1 Nobody'), [550, '5.1.1', 'Nobody'])
    assert.deepEqual(
      read('X-Postfix; host mx.example.net[192.0.2.1] said: 451 4.7.1 Later (in reply to RCPT TO command)'),
      [451, '4.7.1', 'Later (in reply to RCPT TO command)'],
    )
    assert.deepEqual(read('5.1.1 (bad destination mailbox address)').slice(0, 2), [0, '5.1.1'])
    assert.deepEqual(read('').slice(0, 2), [0, undefined])
  })
})
