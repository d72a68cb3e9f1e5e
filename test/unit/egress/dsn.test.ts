import assert from 'node:assert/strict'
import PostalMime from 'postal-mime'
import {
  type Cause,
  type DeliveryReport,
  MOST_HEADER_BYTES,
  type ReportedRecipient,
  deliveryReport,
  statusOf,
} from '../../../src/egress/dsn'

const ARRIVED = Date.UTC(2026, 10, 21, 9, 0, 0)
const TRIED = Date.UTC(2026, 10, 22, 9, 17, 4)
const NOW = Date.UTC(2026, 10, 22, 9, 17, 5)
const UNTIL = Date.UTC(2026, 10, 22, 21, 0, 0)

const said = (reply: string, host = 'mx1.example.net'): Cause => ({ by: 'reply', reply, host: host || undefined })
const found = (text: string, status?: string, host?: string): Cause => ({ by: 'us', text, status, host })
const recipient = (cause: Cause, more: Partial<ReportedRecipient> = {}): ReportedRecipient => {
  return { address: 'bob@example.net', cause, hasExpired: false, lastAttemptAt: TRIED, ...more }
}

const REPORT: DeliveryReport = {
  ...{ kind: 'failed', id: '4F1C.1', host: 'mx.example.com', sender: 'ann@example.com' },
  ...{ now: NOW, arrivedAt: ARRIVED, retryUntil: undefined },
  recipients: [recipient(said('550 5.1.1 No such user'))],
  header: Buffer.from(
    'Received: from x\r\n by y\r\nSubject: Lunch\r\n on Friday\r\nMessage-ID: <a.b@example.com>\r\n\r\nThe body',
  ),
}

function textOf(more: Partial<DeliveryReport> = {}): string {
  const text = deliveryReport({ ...REPORT, ...more })
  assert.ok(text !== undefined)
  return text
}

/** The three parts, as a mail program sees them. */
async function parse(more: Partial<DeliveryReport> = {}) {
  const mail = await PostalMime.parse(textOf(more), { attachmentEncoding: 'arraybuffer' })
  const [status, header, ...others] = mail.attachments
  assert.deepEqual([status?.mimeType, header?.mimeType], ['message/delivery-status', 'text/rfc822-headers'])
  assert.deepEqual(others, [])
  const bytes = (content: unknown) => Buffer.from(content as ArrayBuffer)
  // This parser makes all line ends LF.
  const groups = bytes(status!.content).toString('latin1').trimEnd().split('\n\n')
  const fields = groups.map((group) => group.replace(/\n /g, ' ').split('\n'))
  const headers = Object.fromEntries(mail.headers.map(({ key, value }) => [key, value]))
  return { mail, headers, words: mail.text ?? '', fields, header: bytes(header!.content) }
}

describe('a report of a message that has failed', () => {
  it('is a message to the sender from the mail system, which no program answers', async () => {
    const { headers } = await parse()
    const boundary = /boundary="(\w+)"/.exec(headers['content-type']!)![1]
    assert.deepEqual(headers, {
      from: 'Mail Delivery System <MAILER-DAEMON@mx.example.com>',
      to: '<ann@example.com>',
      subject: 'Your message could not be delivered',
      date: 'Sun, 22 Nov 2026 09:17:05 +0000',
      'message-id': '<4F1C.1@mx.example.com>',
      'in-reply-to': '<a.b@example.com>',
      references: '<a.b@example.com>',
      'auto-submitted': 'auto-replied',
      'x-sluice-report': 'failed',
      'mime-version': '1.0',
      'content-type': `multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    })
  })

  it('says for programs what happened, in the fields of RFC 3464', async () => {
    const { fields } = await parse({
      recipients: [
        recipient(said('550 5.1.1 No such user')),
        recipient(found('No server was found.', '4.4.4'), { address: 'eve@example.org', lastAttemptAt: undefined }),
      ],
    })
    assert.deepEqual(fields, [
      ['Reporting-MTA: dns; mx.example.com', 'Arrival-Date: Sat, 21 Nov 2026 09:00:00 +0000'],
      [
        'Final-Recipient: rfc822; bob@example.net',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx1.example.net',
        'Diagnostic-Code: smtp; 550 5.1.1 No such user',
        'Last-Attempt-Date: Sun, 22 Nov 2026 09:17:04 +0000',
      ],
      [
        'Final-Recipient: rfc822; eve@example.org',
        'Action: failed',
        'Status: 5.4.4',
        'Diagnostic-Code: x-sluice; No server was found.',
      ],
    ])
  })

  it('says for people what happened, each recipient with his reason', async () => {
    const { words } = await parse({
      recipients: [
        recipient(said('550-5.1.1 The account that you tried\r\n550 5.1.1 does not exist')),
        recipient(said('421 4.3.2 Busy', '192.0.2.1'), { address: 'eve@example.org', hasExpired: true }),
        recipient(found('The connection to mx9.example.org timed out.'), { address: 'joe@example.org' }),
      ],
    })
    const lines = [
      'This is the mail server mx.example.com.',
      '',
      'Your message "Lunch on Friday" of Sat, 21 Nov 2026 09:00:00 UTC could',
      'not be delivered to the following. It is not tried any more; send it',
      'again when the reason is gone.',
      '',
      '<bob@example.net>',
      '    There is no such mailbox.',
      '    mx1.example.net said: 550 5.1.1 The account that you tried does not',
      '    exist',
      '',
      '<eve@example.org>',
      '    It could not be delivered in time. The last attempt failed:',
      '    192.0.2.1 said: 421 4.3.2 Busy',
      '',
      '<joe@example.org>',
      '    The connection to mx9.example.org timed out.',
      '',
      'What your mail administrator may want to know, and the header of your',
      'message, are attached.',
    ]
    assert.deepEqual(words.trimEnd().split('\n'), lines)
  })

  it('says why in words by the status', async () => {
    const reasons: [reply: string, reason: string][] = [
      ['550 5.1.10 NULL MX', 'The domain takes no mail.'],
      ['552 5.2.2 Over quota', 'The mailbox is full.'],
      ['552 5.3.4 Too big', 'The message is too large.'],
      ['550 5.7.26 Unauthenticated', "The rules of the recipient's server do not let the message pass."],
      ['554 Go away', "The recipient's server refuses the message."],
      ['550 5.77.77 What', "The recipient's server refuses the message."],
    ]
    for (const [reply, reason] of reasons) {
      const { words } = await parse({ recipients: [recipient(said(reply, ''))] })
      assert.ok(words.includes(`    ${reason}\n    The recipient's server said: ${reply}\n`), words)
    }
  })

  it('sends the header back, and not the body', async () => {
    const { header } = await parse()
    const lines = ['Received: from x', ' by y', 'Subject: Lunch', ' on Friday', 'Message-ID: <a.b@example.com>', '', '']
    assert.deepEqual(header.toString().split('\n'), lines)
  })
})

describe('a report of a message that is late', () => {
  it('says until when it is tried', async () => {
    const { headers, words, fields } = await parse({
      ...{ kind: 'delayed', retryUntil: UNTIL },
      recipients: [recipient(said('451 4.7.1 Greylisted, try again in 5 minutes'), { hasExpired: true })],
    })
    assert.equal(headers.subject, 'Your message is delayed, and still tried')
    assert.deepEqual(fields[1], [
      'Final-Recipient: rfc822; bob@example.net',
      'Action: delayed',
      'Status: 4.7.1',
      'Remote-MTA: dns; mx1.example.net',
      'Diagnostic-Code: smtp; 451 4.7.1 Greylisted, try again in 5 minutes',
      'Last-Attempt-Date: Sun, 22 Nov 2026 09:17:04 +0000',
      'Will-Retry-Until: Sun, 22 Nov 2026 21:00:00 +0000',
    ])
    const flowing = words.replace(/\s+/g, ' ')
    assert.ok(
      flowing.includes('You need not do anything: it is tried again until Sun, 22 Nov 2026 21:00:00 UTC.'),
      words,
    )
    assert.ok(!flowing.includes('in time'), words)
  })
})

describe('nobody is told', () => {
  it('of a bounce, which has no sender', () => {
    for (const sender of ['', '<>', ' ', ' <> ']) assert.equal(deliveryReport({ ...REPORT, sender }), undefined)
  })

  it('of nothing', () => assert.equal(deliveryReport({ ...REPORT, recipients: [] }), undefined))
})

describe('the status in a report', () => {
  const status = (kind: 'failed' | 'delayed', cause: Cause, hasExpired = false) =>
    statusOf(kind, recipient(cause, { hasExpired }))

  it('is the enhanced code of the reply, of many digits too', () => {
    assert.equal(status('failed', said('550 5.7.606 Banned')), '5.7.606')
    assert.equal(status('failed', said('550-5.7.26 This\r\n550 5.7.26 mail')), '5.7.26')
    assert.equal(status('delayed', said('421 4.7.28 Slow down')), '4.7.28')
    assert.equal(status('failed', said('550 5.1.1')), '5.1.1')
  })

  it('is of the class of what becomes of the message', () => {
    assert.equal(status('failed', said('452 4.2.2 Over quota')), '5.2.2')
    assert.equal(status('delayed', said('550 5.7.1 Too fast')), '4.7.1')
    assert.equal(status('failed', found('No route.', '4.4.1')), '5.4.1')
  })

  it('is general where the reply has none', () => {
    for (const reply of [
      '550 No such user',
      '550',
      '',
      '550 5.1',
      '550 5.1.1.1 x',
      '550 192.0.2.1 is listed',
      '550 5.1.1234 x',
    ]) {
      assert.equal(status('failed', said(reply)), '5.0.0', reply)
    }
    assert.equal(status('delayed', said('451 Later')), '4.0.0')
    assert.equal(status('failed', found('Something.')), '5.0.0')
  })

  it('is 5.4.7 when the message was too old, whatever the last cause', () => {
    assert.equal(status('failed', said('451 4.7.1 Later'), true), '5.4.7')
    assert.equal(status('failed', found('No answer.', '4.4.1'), true), '5.4.7')
    assert.equal(status('delayed', said('451 4.7.1 Later'), true), '4.7.1')
  })
})

describe('what is strange in a report', () => {
  it('are letters beyond ASCII in addresses: people read them, programs get them as RFC 6533 writes them', async () => {
    const address = 'jösé+\u{1F600}=x@exämple.net'
    const { words, fields } = await parse({ recipients: [recipient(said('550 No'), { address })] })
    assert.ok(words.includes(`<${address}>`), words)
    assert.equal(fields[1]![0], 'Final-Recipient: utf-8; j\\x{F6}s\\x{E9}\\x{2B}\\x{1F600}\\x{3D}x@ex\\x{E4}mple.net')
  })

  it('are letters that nobody sees', async () => {
    const address = 'a\u202Eb\u0000c\uD800@example.net'
    const { words, fields } = await parse({ recipients: [recipient(said('550 No'), { address })] })
    assert.ok(words.includes('<a?b?c?@example.net>'), words)
    assert.equal(fields[1]![0], 'Final-Recipient: rfc822; a?b c?@example.net')
  })

  it('is a sender whose address no header of ASCII can hold', async () => {
    assert.equal((await parse({ sender: 'jösé@example.com' })).headers.to, 'undisclosed-recipients:;')
  })

  it('are replies of any letters and any length', async () => {
    const { words, fields } = await parse({
      recipients: [recipient(said(`550 5.1.1 Ungültig\u0007 ${'x'.repeat(5000)}`))],
    })
    assert.match(fields[1]![4]!, /^Diagnostic-Code: smtp; 550 5\.1\.1 Ung\?ltig x{881}$/)
    assert.match(words, /550 5\.1\.1\s+Ung\?ltig\s+x+\n/)
  })

  it('are addresses of servers', async () => {
    const cause = said('550 No', '2001:db8::1')
    assert.ok((await parse({ recipients: [recipient(cause)] })).fields[1]!.includes('Remote-MTA: dns; [2001:db8::1]'))
  })

  it('is a header with letters beyond ASCII, or lines that no mail may have', async () => {
    for (const text of [
      'Subject: Grüße\r\n',
      `X: ${'y'.repeat(2000)}\r\n`,
      'X: a\rb\r\n',
      'X: =3D \t\r\n',
      'X: \u0000\r\n',
    ]) {
      const { header } = await parse({ header: Buffer.from(text) })
      assert.equal(header.toString(), text.replace('\r\n', '\n\n'), JSON.stringify(text))
    }
    const latin = Buffer.from('Subject: Gr\xfc\xdfe\r\n', 'latin1')
    assert.match(textOf({ header: latin }), /text\/rfc822-headers; charset=unknown-8bit\r\n/)
    assert.match(textOf({ header: latin }), /\r\nSubject: Gr=FC=DFe\r\n/)
  })

  it('are line ends of one letter, no header, and a body at once', async () => {
    assert.equal((await parse({ header: Buffer.from('A: 1\nB: 2\n\nC: 3\n') })).header.toString(), 'A: 1\nB: 2\n\n')
    for (const text of ['', '\r\n', '\n', '\r\nbody', '\nA: 1\n']) {
      assert.equal((await parse({ header: Buffer.from(text) })).header.toString().trim(), '', JSON.stringify(text))
    }
  })

  it('is a header that is too long: it is cut where a line ends', async () => {
    const line = `X-Filler: ${'z'.repeat(80)}\r\n y\r\n`
    const { header } = await parse({ header: Buffer.from(line.repeat(2000)) })
    const bytes = header.toString().replaceAll('\n', '\r\n').length
    assert.ok(bytes <= MOST_HEADER_BYTES + 2 && bytes > MOST_HEADER_BYTES - line.length)
    assert.match(header.toString(), /(?:z| y)\n\n$/)
    const one = await parse({ header: Buffer.from('X: ' + 'z'.repeat(100_000)) })
    assert.equal(one.header.toString().trim().length, MOST_HEADER_BYTES)
  })

  it('is a subject that cannot be read as it stands: the date tells which message it is', async () => {
    for (const subject of ['=?utf-8?q?Gr=C3=BC=C3=9Fe?=', 'Grüße', 'x'.repeat(300), '']) {
      const { words } = await parse({ header: Buffer.from(`Subject: ${subject}\r\n`) })
      assert.ok(words.includes('Your message of Sat, 21 Nov 2026 09:00:00 UTC could'), words)
    }
  })

  it('is a message id that is none', async () => {
    for (const id of ['<a b@c>', 'a@b', `<${'x'.repeat(300)}@y>`, '<a@b> <c@d>', '<ü@b>']) {
      const { headers } = await parse({ header: Buffer.from(`Message-ID: ${id}\r\n`) })
      assert.deepEqual([headers['in-reply-to'], headers.references], [undefined, undefined], id)
    }
    assert.equal((await parse({ header: Buffer.from('message-id:\r\n <a@b>\r\n') })).headers.references, '<a@b>')
  })
})
