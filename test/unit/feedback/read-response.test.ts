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
      [451, '4.7.1', 'Later'],
    )
    assert.deepEqual(read('5.1.1 (bad destination mailbox address)').slice(0, 2), [0, '5.1.1'])
    assert.deepEqual(read('').slice(0, 2), [0, undefined])
  })

  for (const [who, text, wanted] of [
    ['Exim', 'host mx.example.net [192.0.2.1]: 550 5.1.1 Nobody', [550, '5.1.1', 'Nobody']],
    [
      'Exim, in its log',
      'SMTP error from remote mail server after RCPT TO:<user@example.com>: host mx.example.net [192.0.2.1]: 550 Nobody',
      [550, undefined, 'Nobody'],
    ],
    [
      'qmail',
      '192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 Nobody\nGiving up on 192.0.2.1.',
      [550, '5.1.1', 'Nobody'],
    ],
    ['qmail, of its own', 'Sorry, no mailbox here by that name. (#5.1.1)', [0, '5.1.1', undefined]],
    [
      'sendmail',
      '... while talking to mx.example.net.:\n>>> RCPT To:<user@example.com>\n<<< 550-5.1.1 There is\n<<< 550 5.1.1 nobody\n>>> DATA\n<<< 503 5.0.0 Need RCPT',
      [550, '5.1.1', 'There is nobody'],
    ],
    [
      'Exchange',
      "Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found'",
      [550, '5.1.10', 'RESOLVER.ADR.RecipientNotFound; not found'],
    ],
    ['Exchange before 2007', '#< #5.7.1 smtp;550 5.7.1 Unable to relay> #SMTP#', [550, '5.7.1', 'Unable to relay']],
    ['Exchange 2007', 'mx.example.net #550 5.1.1 Nobody ##', [550, '5.1.1', 'Nobody']],
    ['Exchange, without a code', '#< #5.1.1 X> #SMTP#', [0, '5.1.1', undefined]],
    ['Gmail', 'The response was: 550 5.2.1 Disabled', [550, '5.2.1', 'Disabled']],
    [
      'IronPort',
      "smtp; 5.1.0 - Unknown address error 550-'5.1.1 <user@example.com>: Nobody' (delivery attempts: 0)",
      [550, '5.1.1', undefined],
    ],
    [
      'a report, folded',
      'smtp;550 5.1.1\n    <user@example.com>: Nobody',
      [550, '5.1.1', '<user@example.com>: Nobody'],
    ],
    [
      'a log that has made one line of several',
      'host mx said: 550-5.1.1 There 550-5.1.1 is 550 5.1.1 nobody (in reply to RCPT TO command)',
      [550, '5.1.1', 'There is nobody'],
    ],
    ['one who writes of another', '550 5.0.350 Remote server returned: 451 later', [550, '5.0.350', undefined]],
    ['nobody', 'connect to mx.example.net[192.0.2.1]:25: Connection timed out', [0, undefined, undefined]],
  ] as const) {
    it(`is read as ${who} writes it`, () => {
      const [code, enhanced, said] = read(text)
      assert.deepEqual([code, enhanced, wanted[2] === undefined ? undefined : said], wanted)
    })
  }

  it('says what it was said to, where nobody knows better', () => {
    const phase = (text: string, known?: 'connect') => readResponse(text, { phase: known, provider: undefined }).phase
    assert.equal(phase('host mx said: 550 no (in reply to RCPT TO command)'), 'rcpt')
    assert.equal(phase('host mx said: 550 no (in reply to end of DATA command)'), 'dot')
    assert.equal(phase('host mx said: 550 no (in reply to MAIL FROM command)'), 'mail')
    assert.equal(phase('host mx refused to talk to me: 554 no'), 'greeting')
    assert.equal(phase('SMTP error from remote mail server after end of data: host mx: 550 no'), 'dot')
    assert.equal(phase('550 no'), undefined)
    assert.equal(phase('host mx said: 550 no (in reply to RCPT TO command)', 'connect'), 'connect')
  })

  it('takes time that grows with it and no more', () => {
    for (const part of [
      'said: ',
      "'",
      '(in reply to ',
      '<<< ',
      '#< #5.',
      '550-',
      '>>> ',
      'smtp; ',
      '5.1.',
      '(#',
      ' ',
    ]) {
      const began = process.cpuUsage().user
      for (let count = 0; count < 20; count++)
        readResponse(part.repeat(100_000 / part.length), { phase: undefined, provider: undefined })
      const ms = (process.cpuUsage().user - began) / 20_000
      assert.ok(ms < 100, `${JSON.stringify(part)}: ${ms} ms`)
    }
  })
})
