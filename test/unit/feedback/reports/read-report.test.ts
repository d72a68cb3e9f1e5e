import assert from 'node:assert/strict'
import { deliveryReport } from '../../../../src/egress/dsn'
import { readReport } from '../../../../src/feedback/reports/read-report'
import type { Bounce, Complaint } from '../../../../src/feedback/reports/report'
import { envelope, read, sample, traceFor } from './samples'

const TRACE = traceFor(['bob@example.net'])

/** Form, action, status, remote, and how the answer begins. */
const BOUNCES: Readonly<Record<string, readonly [string, string, string | undefined, string | undefined, RegExp]>> = {
  postfix: [
    'rfc3464',
    'failed',
    '5.1.1',
    'mbox.example.net',
    /^smtp; 550 5\.1\.1 <bob@example\.net>: Recipient address rejected: User unknown in local recipient table$/,
  ],
  'postfix-delayed': ['rfc3464', 'delayed', '4.4.1', undefined, /^X-Postfix; connect to mbox/],
  exim: ['rfc3464', 'failed', '5.0.0', 'mbox.example.net', /^smtp; 552 5\.2\.2 <bob@example\.net> mailbox is full$/],
  'exim-old': ['exim', 'failed', undefined, undefined, /: 550 unknown user$/],
  sendmail: ['rfc3464', 'failed', '5.1.1', 'mbox.example.net', /^SMTP; 550 5\.1\.1 .* User unknown$/],
  qmail: ['qmail', 'failed', '5.1.1', undefined, /Remote host said: 550 5\.1\.1 <bob@example\.net>: User unknown/],
  microsoft365: ['rfc3464', 'failed', '5.1.10', undefined, /^smtp;550 5\.1\.10 RESOLVER\.ADR\.RecipientNotFound/],
  'exchange-old': ['exchange', 'failed', undefined, undefined, /The recipient name is not recognized/],
  gmail: ['rfc3464', 'failed', '5.1.1', 'gmail-smtp-in.l.google.example', /^smtp; 550-5\.1\.1 The email account/],
  haraka: ['rfc3464', 'failed', '5.1.1', 'mbox.example.net', /^smtp;550 5\.1\.1 No such user here$/],
  courier: ['rfc3464', 'failed', '5.0.0', 'mbox.example.net', /^smtp; 550 User unknown\.$/],
  yahoo: ['yahoo', 'failed', undefined, undefined, /^554 delivery error: dd This user doesn't have/],
  lotus: ['rfc3464', 'failed', '5.1.1', undefined, /^X-Notes; User bob .* not listed in Domino Directory$/],
  'lotus-old': ['lotus', 'failed', undefined, undefined, /not listed in public Name & Address Book/],
}

/** Form, recipients, source, user agent. */
const COMPLAINTS: Readonly<
  Record<string, readonly [string, readonly string[], string | undefined, string | undefined]>
> = {
  'arf-yahoo': ['arf', ['bob@example.net'], undefined, 'Yahoo!-Mail-Feedback/2.0'],
  'arf-aol': ['arf', ['redacted@aol.example'], '192.0.2.1', 'AOL SComp'],
  'arf-comcast': ['arf', ['bob@example.net'], '192.0.2.1', 'ReturnPathFBL/1.0'],
  'arf-generic': ['arf', ['bob@example.net'], '192.0.2.1', 'SomeGenerator/1.0'],
  jmrp: ['jmrp', ['bob@example.net'], undefined, undefined],
}

describe('reports that come by mail', () => {
  for (const [name, [form, action, status, remote, diagnostic]] of Object.entries(BOUNCES)) {
    it(`are read as ${name} writes them`, async () => {
      const report = (await read(name)) as Bounce
      assert.deepEqual([report.kind, report.form], ['bounce', form])
      assert.equal(report.trace, TRACE)
      assert.equal(report.messageId ?? '<m1@example.com>', '<m1@example.com>')
      assert.equal(report.recipients.length, 1)
      const [recipient] = report.recipients
      assert.deepEqual(
        [recipient!.final, recipient!.action, recipient!.status, recipient!.remote],
        ['bob@example.net', action, status, remote],
      )
      assert.match(recipient!.diagnostic, diagnostic)
    })
  }

  for (const [name, [form, recipients, sourceIp, userAgent]] of Object.entries(COMPLAINTS)) {
    it(`tell of complaints as in ${name}`, async () => {
      const report = (await read(name, { sender: 'feedback@example.net', address: 'complaints' })) as Complaint
      assert.deepEqual(
        [report.kind, report.form, report.feedbackType, report.recipients, report.sourceIp, report.userAgent],
        ['complaint', form, 'abuse', recipients, sourceIp, userAgent],
      )
      assert.equal(report.trace, TRACE)
    })
  }

  const unheeded: readonly (readonly [string, string])[] = [
    ['vacation', 'auto_reply'],
    ['out-of-office', 'auto_reply'],
    ['bounce-of-bounce', 'loop'],
    ['arf-not-spam', 'not_spam'],
  ]
  for (const [name, why] of unheeded) {
    it(`leave ${name} alone: ${why}`, async () => {
      const report = await read(name)
      assert.deepEqual([report.kind, report.kind === 'unheeded' && report.why], ['unheeded', why])
    })
  }

  it('are none that we have written ourselves', async () => {
    const header = Buffer.from(`Message-ID: <m1@example.com>\r\nX-Sluice-Trace: ${TRACE}\r\n`)
    const text = deliveryReport({
      ...{ kind: 'failed', id: '1', host: 'mx.example.com', sender: 'bounces@example.com', now: 0, arrivedAt: 0 },
      ...{ retryUntil: undefined, header },
      recipients: [
        {
          address: 'bob@example.net',
          cause: { by: 'reply', reply: '550 5.1.1 No such user', host: 'mx.example.net' },
          hasExpired: false,
          lastAttemptAt: undefined,
        },
      ],
    })
    const report = await readReport(Buffer.from(text!), envelope())
    assert.deepEqual([report.kind, report.kind === 'unheeded' && report.why], ['unheeded', 'own'])
  })

  it('come from nobody: what somebody sends in his own name is no bounce', async () => {
    const report = await read('postfix', { sender: 'eve@example.org' })
    assert.deepEqual([report.kind, report.kind === 'unheeded' && report.why], ['unheeded', 'sender'])
    assert.equal((await read('postfix', { sender: 'MAILER-DAEMON@example.net' })).kind, 'bounce')
  })

  it('have no trace where two could be it', async () => {
    const text = sample('postfix').toString().replace('X-Sluice-Trace:', 'X-Sluice-Trace: AAAA\r\nX-Sluice-Trace:')
    assert.equal((await readReport(Buffer.from(text), envelope())).trace, undefined)
  })

  it('are wishes to unsubscribe at the address for that, with what may be a token', async () => {
    const token = 'a'.repeat(80)
    const mail = Buffer.from(`From: bob@example.net\r\nSubject: ${token}\r\n\r\nplease\r\n`)
    const known = { sender: 'bob@example.net', address: 'unsubscribe' } as const
    const report = await readReport(mail, envelope(known))
    assert.deepEqual([report.kind, report.kind === 'unsubscribe' && report.tokens], ['unsubscribe', [token]])
    const elsewhere = await readReport(mail, envelope({ sender: 'bob@example.net' }))
    assert.deepEqual([elsewhere.kind, elsewhere.kind === 'unheeded' && elsewhere.why], ['unheeded', 'other'])
  })

  it('of many recipients tell of each, up to a bound', async () => {
    const one = (number: number) =>
      `Final-Recipient: rfc822; u${number}@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n`
    const status = Array.from({ length: 10_001 }, (_, number) => one(number)).join('\r\n')
    const mail = `Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n${status}\r\n--b--\r\n`
    const report = (await readReport(Buffer.from(mail), envelope())) as Bounce
    assert.equal(report.recipients.length, 10_000)
    assert.equal(report.recipients[9999]!.final, 'u9999@example.net')
    assert.equal(report.reporter, 'mx.example.net')
  })
})
