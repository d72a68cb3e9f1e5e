import assert from 'node:assert/strict'
import { Attempt, tellCause } from '../../../src/egress/attempt'
import { type SmtpReply, parseReply } from '../../../src/egress/smtp-reply'

const reply = (text: string): SmtpReply => parseReply([text])

describe('what is known of an attempt', () => {
  const MX1 = { host: 'mx1.far.test', ip: '192.0.2.1', port: 25 }
  const MX2 = { host: 'mx2.far.test', ip: '192.0.2.2', port: 25 }
  let attempt: Attempt

  beforeEach(() => {
    attempt = new Attempt(['ann@far.test', 'bob@far.test', 'eve@far.test'])
  })

  /** A transaction up to the final dot. */
  function offer(recipientReplies: readonly string[]): void {
    attempt.replied('mail', reply('250 fine'))
    for (const text of recipientReplies) attempt.replied('rcpt', reply(text))
    attempt.replied('data', reply('354 go on'))
  }

  const cause = () => attempt.lastCause && tellCause(attempt.lastCause)
  const fates = () => attempt.recipients.map(({ fate }) => fate)

  it('is nothing when nobody was asked: all wait', () => {
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 3, bounced: 0 })
    assert.equal(attempt.lastCause, undefined)
  })

  it('has no cause when all was taken', () => {
    attempt.tries(MX1)
    offer(['250 fine', '250 fine', '251 forwarded'])
    attempt.replied('dot', reply('250 2.0.0 taken'))
    assert.deepEqual(attempt.outcome, { delivered: 3, deferred: 0, bounced: 0 })
    assert.equal(attempt.lastCause, undefined)
    assert.deepEqual(attempt.hosts[0]!.end, { kind: 'reply', phase: 'dot', reply: reply('250 2.0.0 taken') })
  })

  it('keeps what will be over, though it is a 5xx', () => {
    const means = (_phase: string, { text }: SmtpReply) => ({ isPassing: /slow/.test(text), isAboutUs: false })
    attempt = new Attempt(['ann@far.test', 'bob@far.test', 'eve@far.test'], means)
    attempt.tries(MX1)
    offer(['550 slow down', '550 no such user', '250 fine'])
    attempt.replied('dot', reply('250 taken'))
    assert.deepEqual(fates(), ['deferred', 'bounced', 'delivered'])
    offer(['250 fine', '250 fine', '250 fine'])
    const kept = attempt.replied('dot', reply('554 slow down'))
    assert.deepEqual([kept.code, kept.isPassing], [554, true])
    assert.deepEqual(fates(), ['deferred', 'deferred', 'deferred'], 'the message as a whole is put off')
    assert.equal(cause(), 'mx1.far.test [192.0.2.1]: 554 slow down (at dot)')
  })

  it('tells each recipient apart', () => {
    attempt.tries(MX1)
    offer(['550 5.1.1 nobody', '250 fine', '450 4.2.1 later'])
    attempt.replied('dot', reply('250 taken'))
    assert.deepEqual(fates(), ['bounced', 'delivered', 'deferred'])
    assert.equal(cause(), 'mx1.far.test [192.0.2.1]: 450 4.2.1 later (at rcpt)')
  })

  it('tells each recipient apart that has a reply of its own after the dot', () => {
    attempt.tries({ host: '/run/lmtp', ip: undefined, port: undefined })
    offer(['250 fine', '550 5.1.1 nobody', '250 fine'])
    attempt.replied('dot', reply('452 4.2.2 full'), true)
    attempt.replied('dot', reply('250 taken'), true)
    assert.deepEqual(fates(), ['deferred', 'bounced', 'delivered'])
    assert.equal(cause(), '/run/lmtp: 550 5.1.1 nobody (at rcpt)')
  })

  it('ends alike for all when the transaction was refused', () => {
    attempt.tries(MX1)
    offer(['250 fine', '450 4.2.1 later', '250 fine'])
    attempt.replied('dot', reply('554 5.7.1 spam'))
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 0, bounced: 3 })
    assert.equal(cause(), 'mx1.far.test [192.0.2.1]: 554 5.7.1 spam (at dot)')
    attempt.tries(MX2)
    attempt.replied('mail', reply('354 what?'))
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 3, bounced: 0 })
  })

  it('ends with each for itself when all were refused', () => {
    attempt.tries(MX1)
    attempt.replied('mail', reply('250 fine'))
    for (const text of ['450 4.2.1 later', '550 5.1.1 nobody', '550 5.1.1 nobody']) attempt.replied('rcpt', reply(text))
    assert.deepEqual(fates(), ['deferred', 'bounced', 'bounced'])
  })

  it('forgets what recipients were told when the host was lost, and says why the last one was', () => {
    attempt.tries(MX1)
    offer(['550 5.1.1 nobody', '250 fine', '250 fine'])
    attempt.failed('dot', 'timeout', 'timed out at dot')
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 3, bounced: 0 })
    attempt.tries(MX2)
    attempt.failed('connect', 'refused', 'connect ECONNREFUSED 192.0.2.2:25')
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 3, bounced: 0 })
    assert.equal(cause(), 'mx2.far.test [192.0.2.2]: connect ECONNREFUSED 192.0.2.2:25 (at connect)')
  })

  it('takes what the server said before it closed for the cause', () => {
    attempt.tries(MX1)
    attempt.replied('mail', reply('250 fine'))
    attempt.replied('rcpt', reply('250 fine'))
    attempt.replied('rcpt', reply('421 4.7.28 slow down'))
    attempt.failed('rcpt', 'closed', 'the server closed the connection')
    assert.equal(cause(), 'mx1.far.test [192.0.2.1]: 421 4.7.28 slow down (at rcpt)')
    assert.deepEqual(attempt.outcome, { delivered: 0, deferred: 3, bounced: 0 })
  })

  it('does not take a session that had to be replaced for a failure', () => {
    attempt.tries(MX1)
    attempt.reuses()
    attempt.replaced('closed')
    assert.equal(attempt.lastCause, undefined)
    attempt.tries(MX1)
    offer(['250 fine', '250 fine', '250 fine'])
    attempt.replied('dot', reply('250 taken'))
    assert.equal(attempt.lastCause, undefined)
    assert.deepEqual(
      attempt.hosts.map(({ session, end }) => [session, end?.kind]),
      [
        ['reused', 'replaced'],
        ['new', 'reply'],
      ],
    )
  })

  it('goes on where HELO is understood and EHLO is not, and where a login is asked for more', () => {
    attempt.tries(MX1)
    attempt.replied('hello', reply('502 what?'))
    assert.equal(attempt.outcome.bounced, 3)
    attempt.replied('hello', reply('250 hello'))
    attempt.replied('auth', reply('334 VXNlcm5hbWU6'))
    assert.equal(attempt.lastCause, undefined)
    assert.equal(attempt.hosts[0]!.end, undefined)
  })

  it('adds up times, in whole ms, and keeps what TLS was made', () => {
    attempt.tries(MX1)
    attempt.took('rcpt', 1.4)
    attempt.took('rcpt', 2.2)
    attempt.secured({ version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true })
    assert.deepEqual(attempt.hosts[0]!.phasesMs, { rcpt: 3 })
    assert.equal(attempt.hosts[0]!.tls?.verified, true)
  })

  it('keeps the last hosts of very many', () => {
    for (let port = 1; port <= 50; port++) attempt.tries({ ...MX1, port })
    assert.equal(attempt.hosts.length, 20)
    assert.equal(attempt.hosts.at(-1)!.port, 50)
    assert.equal(attempt.hostsForgotten, 30)
  })
})
