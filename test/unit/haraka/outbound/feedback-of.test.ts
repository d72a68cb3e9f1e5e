import assert from 'node:assert/strict'
import { shippedResponses } from '../../../../src/config/responses/read'
import { Attempt } from '../../../../src/egress/attempt'
import { notesOf } from '../../../../src/egress/label'
import { resolvePath } from '../../../../src/egress/rules'
import { parseReply } from '../../../../src/egress/smtp-reply'
import { Answers } from '../../../../src/feedback/answers'
import type { AttemptEnd } from '../../../../src/haraka/outbound/attempt-event'
import { answerTo, feedbackOf } from '../../../../src/haraka/outbound/feedback-of'
import { RULES } from '../../egress/fixtures'
import { FakeItem, QUEUED_AT } from './fake-item'

describe('what was said of the recipients of a message', () => {
  const classifier = shippedResponses()
  const answers = new Answers(() => classifier)
  const path = resolvePath(RULES, { domain: 'far.test', mx: ['mx.far.test'], source: 'default' })
  const recipients = ['a@far.test', 'b@far.test', 'c@far.test']
  const label = { tenant: 'acme', account: 'ann@near.test', campaign: 'spring', client: '192.0.2.7' }

  /** RCPT, RCPT, RCPT, and what comes after. */
  function attempted(replies: readonly string[], dot?: string): Attempt {
    const attempt = new Attempt(recipients, answers.readerFor(undefined))
    attempt.tries({ host: 'mx.far.test', ip: '192.0.2.1', port: 25 })
    attempt.replied('mail', parseReply(['250 fine']))
    for (const text of replies) attempt.replied('rcpt', parseReply([text]))
    if (dot !== undefined) attempt.replied('data', parseReply(['354 go']))
    if (dot !== undefined) attempt.replied('dot', parseReply([dot]))
    return attempt
  }

  function said(attempt: Attempt, changes: Partial<AttemptEnd> = {}) {
    const fake = new FakeItem({ recipients, uuid: 'ABC.1.1' })
    Object.assign(fake.todo!.notes, notesOf({ mailClass: 'marketing', ...label }))
    const end: AttemptEnd = {
      ...{ item: fake.item, path, mailClass: 'marketing', tenant: 'acme', attempt, untried: undefined },
      ...{ retryAt: undefined, givenUp: false, dueAt: QUEUED_AT, beganAt: QUEUED_AT, at: QUEUED_AT + 1000 },
      ...changes,
    }
    return feedbackOf(end, answerTo(end, answers), answers)
  }

  const short = (attempt: Attempt, changes?: Partial<AttemptEnd>) =>
    said(attempt, changes).map(({ kind, answer }) => `${kind} ${answer?.responseClass ?? '-'} ${answer?.isHard ?? '-'}`)

  it('is of each what he was told, and whose message it was', () => {
    const attempt = attempted(['250 fine', '550 5.1.1 User unknown', '452 4.2.2 Mailbox full'], '250 taken')
    assert.deepEqual(short(attempt), ['delivered - -', 'bounced invalid true', 'deferred mailbox_full false'])
    const [, second] = said(attempt)
    assert.deepEqual(second!.origin, { ...label, sender: 'ann@near.test', message: 'ABC.1.1' })
    assert.deepEqual(
      [second!.recipient, second!.via, second!.path, second!.source, second!.at],
      ['b@far.test', 'session', path.path, 'default', QUEUED_AT + 1000],
    )
  })

  it('is for all what the message was told', () => {
    const spam = attempted(['250 fine', '250 fine', '250 fine'], '554 5.7.1 Message rejected as spam')
    assert.deepEqual(short(spam), Array(3).fill('bounced content false'))
    const early = new Attempt(recipients)
    early.tries({ host: 'mx.far.test', ip: '192.0.2.1', port: 25 })
    early.replied('mail', parseReply(['421 Too many connections from your IP']))
    assert.deepEqual(short(early), Array(3).fill('deferred connections false'))
  })

  it('says of nobody that he is not there when nobody knows who is meant', () => {
    const atDot = attempted(['250 fine', '250 fine', '452 4.2.2 Mailbox full'], '550 5.1.1 No such user')
    assert.deepEqual(short(atDot).slice(0, 2), Array(2).fill('bounced invalid false'))
    const alone = attempted(['250 fine', '452 4.2.2 Mailbox full', '452 4.2.2 Mailbox full'], '550 5.1.1 No such user')
    assert.equal(short(alone)[0], 'bounced invalid true')
    const atData = attempted(['250 fine', '250 fine', '250 fine'])
    atData.replied('data', parseReply(['550 5.1.1 No such user']))
    assert.deepEqual(short(atData), Array(3).fill('bounced invalid false'))
  })

  it('says of nobody that he is not there before anybody was named', () => {
    for (const [phase, text] of [
      ['greeting', '554 No such user here'],
      ['mail', '550 Requested action not taken: mailbox unavailable'],
    ] as const) {
      const attempt = new Attempt(recipients.slice(0, 1), answers.readerFor(undefined))
      attempt.tries({ host: 'mx.far.test', ip: '192.0.2.1', port: 25 })
      attempt.replied(phase, parseReply([text]))
      assert.deepEqual(short(attempt), ['bounced invalid false'], text)
    }
  })

  it('is a bounce when what was put off is given up', () => {
    const full = attempted(['452 4.2.2 Mailbox full', '250 fine', '250 fine'], '250 taken')
    assert.deepEqual(short(full, { givenUp: true }), ['bounced mailbox_full false', 'delivered - -', 'delivered - -'])
  })

  it('is that there was no answer', () => {
    const attempt = attempted([])
    attempt.failed('rcpt', 'timeout', 'timed out at rcpt')
    assert.deepEqual(short(attempt), Array(3).fill('deferred - -'))
  })

  it('is nothing where nobody was asked: what we say ourselves teaches nothing', () => {
    assert.deepEqual(said(new Attempt(recipients)), [])
    const untried = { isFinal: true, status: '5.1.2', why: 'No such domain' }
    assert.deepEqual(said(attempted(['550 5.1.1 User unknown']), { untried }), [])
  })
})
