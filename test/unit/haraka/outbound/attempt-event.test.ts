import assert from 'node:assert/strict'
import { Attempt } from '../../../../src/egress/attempt'
import { resolvePath } from '../../../../src/egress/rules'
import { parseReply } from '../../../../src/egress/smtp-reply'
import { type AttemptEnd, attemptEvent } from '../../../../src/haraka/outbound/attempt-event'
import { RULES } from '../../egress/fixtures'
import type { FeedbackAnswer } from '../../../../src/feedback/feedback'
import { FakeItem, QUEUED_AT } from './fake-item'

const path = resolvePath(RULES, { domain: 'far.test', mx: ['mx.far.test'], source: 'default' })

describe('what is told of an attempt', () => {
  function end(fake: FakeItem, attempt: Attempt, changes: Partial<AttemptEnd> = {}, answer?: FeedbackAnswer) {
    const times = { dueAt: QUEUED_AT + 1000, beganAt: QUEUED_AT + 3000, at: QUEUED_AT + 10_000 }
    const about = {
      item: fake.item,
      path,
      mailClass: 'system',
      tenant: 'acme',
      attempt,
      untried: undefined,
      retryAt: undefined,
      givenUp: false,
    }
    return attemptEvent({ ...about, ...times, ...changes }, answer)
  }

  function attemptWith(fake: FakeItem, ...answers: string[]): Attempt {
    const attempt = new Attempt(fake.todo!.rcpt_to.map(({ address }) => address))
    attempt.tries({ host: 'mx.far.test', ip: '192.0.2.1', port: 25 })
    attempt.secured({ version: 'TLSv1.3', cipher: 'x', verified: true })
    attempt.took('rcpt', 12)
    attempt.replied('mail', parseReply(['250 fine']))
    for (const answer of answers) attempt.replied('rcpt', parseReply([answer]))
    return attempt
  }

  it('is what the host has answered, and when it is tried again', () => {
    const fake = new FakeItem({ failures: 3, uuid: 'ABC.1.1', filename: `${QUEUED_AT}_1_3_77_aBcDeF_1_host` })
    const event = end(fake, attemptWith(fake, '451 4.7.28 Slow down'), { retryAt: QUEUED_AT + 70_000 })
    assert.deepEqual(event, {
      ...{ kind: 'attempt', at: QUEUED_AT + 10_000, id: 'ABC.1.1', file: `${QUEUED_AT}_aBcDeF` },
      ...{ path: path.path, source: 'default', provider: undefined, mailClass: 'system', tenant: 'acme' },
      ...{ sender: 'ann@near.test', recipients: ['bob@far.test'], domain: 'far.test' },
      ...{ delivered: 0, deferred: 1, bounced: 0 },
      // Haraka has counted this one already.
      attempts: 3,
      ...{ ageMs: 10_000, waitedMs: 2000, tookMs: 7000, retryAt: QUEUED_AT + 70_000 },
      ...{ host: 'mx.far.test', ip: '192.0.2.1', session: 'new', tls: 'TLSv1.3', verified: true },
      ...{
        phasesMs: { rcpt: 12 },
        phase: 'rcpt',
        code: 451,
        enhanced: '4.7.28',
        text: 'Slow down',
        failure: undefined,
      },
      ...{ about: undefined, scope: undefined, rule: undefined },
    })
  })

  it('is what the answer is about', () => {
    const fake = new FakeItem()
    const said = { code: 451, enhanced: '4.7.28', text: 'Slow down' }
    const answer = { responseClass: 'rate', scope: 'source', isHard: false, rule: 'google_rate_ip', ...said } as const
    const { about, scope, rule } = end(fake, attemptWith(fake, '451 4.7.28 Slow down'), {}, answer)
    assert.deepEqual([about, scope, rule], ['rate', 'source', 'google_rate_ip'])
  })

  it('counts an attempt that Haraka has not counted, as one that succeeds', () => {
    const fake = new FakeItem({ failures: 3 })
    const attempt = attemptWith(fake, '250 fine')
    attempt.replied('data', parseReply(['354 go']))
    attempt.replied('dot', parseReply(['250 taken as 1234']))
    const event = end(fake, attempt)
    assert.deepEqual([event.attempts, event.delivered, event.phase, event.code], [4, 1, 'dot', 250])
  })

  it('is that there was no answer, and why', () => {
    const fake = new FakeItem({ sender: '' })
    const attempt = attemptWith(fake)
    attempt.failed('data', 'timeout', 'timed out at data')
    const event = end(fake, attempt)
    assert.deepEqual(
      [event.phase, event.code, event.text, event.failure, event.sender],
      [...['data', 0, 'timed out at data', 'timeout', '']],
    )
  })

  it('is that no host was tried', () => {
    const fake = new FakeItem()
    const event = end(fake, new Attempt(['bob@far.test']))
    assert.deepEqual(
      [event.host, event.text, event.deferred, event.verified],
      [undefined, 'no host was tried', 1, false],
    )
  })

  it('is why none was, for good or for now', () => {
    const fake = new FakeItem({ recipients: ['a@far.test', 'b@far.test'] })
    const said = (isFinal: boolean, givenUp = false) => {
      const untried = { isFinal, status: '4.4.3', why: 'DNS does not say.' }
      const event = end(fake, new Attempt([]), { untried, givenUp })
      return [event.text, event.enhanced, event.code, event.deferred, event.bounced, event.attempts]
    }
    assert.deepEqual(said(false), ['DNS does not say.', '4.4.3', 0, 2, 0, 0])
    assert.deepEqual(said(true), ['DNS does not say.', '4.4.3', 0, 0, 2, 1])
    assert.deepEqual(said(false, true), ['DNS does not say.', '4.4.3', 0, 0, 2, 0], 'too old to be tried again')
  })

  it('is bounded in recipients, and no time is below 0', () => {
    const fake = new FakeItem({ recipients: Array.from({ length: 30 }, (_, index) => `u${index}@far.test`) })
    const event = end(fake, attemptWith(fake), { at: QUEUED_AT - 5000 })
    assert.equal(event.recipients.length, 10)
    assert.deepEqual([event.ageMs, event.tookMs], [0, 0])
  })
})
