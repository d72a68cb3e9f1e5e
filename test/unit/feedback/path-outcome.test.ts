import assert from 'node:assert/strict'
import { Attempt, type FailureKind } from '../../../src/egress/attempt'
import type { AttemptPhase } from '../../../src/policy/attempt-phase'
import { parseReply } from '../../../src/egress/smtp-reply'
import { shippedResponses } from '../../../src/config/responses/read'
import { Answers } from '../../../src/feedback/answers'
import { pathOutcome } from '../../../src/feedback/path-outcome'

const classifier = shippedResponses()
const answers = new Answers(() => classifier)

function outcomeOf(attempt: Attempt, begunAt: number, at: number) {
  const cause = attempt.lastCause
  const answer = cause?.kind === 'reply' ? answers.read(cause.reply, cause.phase, undefined) : undefined
  return pathOutcome(attempt, answer, begunAt, at)
}

const HOST = { host: 'mx.far.test', ip: undefined, port: 25 }

describe('what an attempt says of its path', () => {
  /** A session that is answered so at a phase, with a yes to all before. */
  function answered(line: string, phase: AttemptPhase): string | undefined {
    const attempt = new Attempt(['bob@far.test'], answers.readerFor(undefined))
    attempt.tries(HOST)
    const phases: AttemptPhase[] = ['greeting', 'hello', 'mail', 'rcpt', 'data', 'dot']
    for (const before of phases.slice(0, phases.indexOf(phase))) {
      attempt.replied(before, parseReply([before === 'data' ? '354 go' : '250 fine']))
    }
    attempt.replied(phase, parseReply([line]))
    return outcomeOf(attempt, 1, 2)?.kind
  }

  it('is that it goes well', () => {
    assert.equal(answered('250 taken', 'dot'), 'delivered')
  })

  const cases: Record<string, [line: string, phase: AttemptPhase, kind: string][]> = {
    'that the host has enough of us': [
      ['421 4.7.28 Our system has detected an unusual rate of mail', 'dot', 'throttled'],
      ['450 4.7.1 Too many connections', 'rcpt', 'throttled'],
      ['451 4.7.500 Server busy', 'rcpt', 'throttled'],
      ['421 Too many messages, slow down', 'mail', 'throttled'],
      ['421 try again', 'greeting', 'throttled'],
      ['421 Service not available', 'data', 'throttled'],
      ['452 rate limit exceeded', 'mail', 'throttled'],
    ],
    'nothing bad when a message is greylisted': [
      ['451 4.7.1 Greylisting in action', 'rcpt', 'deferred'],
      ['450 4.2.0 Graylisted, see http://x', 'rcpt', 'deferred'],
      ['451 4.7.1 Recipient address rejected: Grey listed', 'rcpt', 'deferred'],
    ],
    'nothing when it is about the recipient': [
      ['452 4.2.2 The mailbox is full: quota exceeded', 'rcpt', 'bounced'],
      ['550 5.1.1 No such user', 'rcpt', 'bounced'],
      ['552 5.2.2 over quota', 'dot', 'bounced'],
      ['550 no', 'rcpt', 'bounced'],
    ],
    'that it was put off for some reason': [
      ['451 4.3.0 Internal error', 'rcpt', 'deferred'],
      ['421 closing', 'rcpt', 'deferred'],
      ['450 later', 'dot', 'deferred'],
    ],
  }
  for (const [what, answers] of Object.entries(cases)) {
    it(`is ${what}`, () => {
      for (const [line, phase, kind] of answers) assert.equal(answered(line, phase), kind, `${line} (${phase})`)
    })
  }

  it('is that nobody answers, but nothing when that is our own doing or that of DNS', () => {
    const failed = (failure: FailureKind) => {
      const attempt = new Attempt(['bob@far.test'], answers.readerFor(undefined))
      attempt.tries(HOST)
      attempt.failed('connect', failure, 'text')
      return outcomeOf(attempt, 1, 2)
    }
    assert.deepEqual(failed('refused'), { kind: 'unreachable', begunAt: 1, at: 2, text: 'text' })
    for (const failure of ['timeout', 'reset', 'closed', 'unreachable', 'tls', 'protocol'] as const) {
      assert.equal(failed(failure)?.kind, 'unreachable', failure)
    }
    for (const failure of ['held', 'dns'] as const) assert.equal(failed(failure), undefined, failure)
  })

  it('is nothing when no host was tried', () => {
    assert.equal(outcomeOf(new Attempt(['bob@far.test'], answers.readerFor(undefined)), 1, 2), undefined)
  })

  it('keeps code and text, with times', () => {
    const attempt = new Attempt(['bob@far.test'], answers.readerFor(undefined))
    attempt.tries(HOST)
    attempt.replied('mail', parseReply(['421 4.7.28 Slow down']))
    assert.deepEqual(outcomeOf(attempt, 1, 2), {
      ...{ kind: 'throttled', begunAt: 1, at: 2, code: 421, text: '4.7.28 Slow down' },
    })
  })
})

describe('a 421 on a session in use', () => {
  const means = answers.readerFor('yahoo')
  const isAboutUs = (text: string) => means('mail', parseReply([text])).isAboutUs

  it('is of the session', () => {
    for (const text of [
      '421 bye',
      '421 4.4.2 idle timeout exceeded',
      '421 4.4.2 sink.test Error: timeout exceeded',
      '421 Too many messages in this session',
      '421 4.7.0 too many messages per connection, reconnect',
      '421 Service shutting down and closing transmission channel',
      '421 4.3.0 closing connection',
    ]) {
      assert.equal(isAboutUs(text), false, text)
    }
  })

  it('is of the sender', () => {
    for (const text of [
      '421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred',
      '421-4.7.28 Gmail has detected an unusual rate of unsolicited mail',
      '421 4.7.0 Try again later, closing connection.',
      '421 rate limit exceeded',
      '421 Too many connections from your IP',
      '421 RP-001 The mail server IP has exceeded the rate limit allowed',
    ]) {
      assert.equal(isAboutUs(text), true, text)
    }
  })
})
