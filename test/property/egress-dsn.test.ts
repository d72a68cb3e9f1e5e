import assert from 'node:assert/strict'
import fc from 'fast-check'
import PostalMime from 'postal-mime'
import { type DeliveryReport, deliveryReport } from '../../src/egress/dsn'

/** Text of the kind that breaks mail: line ends, blanks, fields, boundaries, any letters, halves of letters. */
const NASTY = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        ...[
          '\r\n',
          '\n',
          '\r',
          '\r\n\r\n',
          ' ',
          '\t',
          '\0',
          '\u2028',
          '\x85',
          '--',
          '=',
          '<',
          '>',
          ';',
          '\\',
          '"',
          '.',
        ],
        ...[
          '550 5.1.1 ',
          '550-',
          'Bcc: eve@evil.example',
          'Status: 2.0.0',
          'Action: delivered',
          'Subject: x',
          'é',
          '\ud83d',
        ],
        ...['Content-Type: text/html', 'Message-ID: <a@b>', '=?utf-8?q?x?=', 'x'.repeat(1000), 'bob@example.net'],
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
)
const TIME = fc.integer({ min: 0, max: 4e12 })
const CAUSE = fc.oneof(
  fc.record({ by: fc.constant('reply' as const), reply: NASTY, host: fc.option(NASTY, { nil: undefined }) }),
  fc.record({
    ...{ by: fc.constant('us' as const), text: NASTY },
    ...{ status: fc.option(NASTY, { nil: undefined }), host: fc.option(NASTY, { nil: undefined }) },
  }),
)
const RECIPIENT = fc.record({
  ...{ address: NASTY, cause: CAUSE, hasExpired: fc.boolean() },
  lastAttemptAt: fc.option(TIME, { nil: undefined }),
})
const REPORT: fc.Arbitrary<DeliveryReport> = fc.record({
  kind: fc.constantFrom('failed' as const, 'delayed' as const),
  ...{ id: NASTY, host: NASTY, sender: NASTY, now: TIME, arrivedAt: TIME },
  recipients: fc.array(RECIPIENT, { minLength: 1, maxLength: 3 }),
  retryUntil: fc.option(TIME, { nil: undefined }),
  header: fc.oneof(
    NASTY.map((text) => Buffer.from(text)),
    NASTY.map((text) => Buffer.from(text, 'latin1')),
  ),
})

const TOP =
  /^From To Subject Date Message-ID (?:In-Reply-To References )?Auto-Submitted X-Sluice-Report MIME-Version Content-Type$/
const PER_RECIPIENT =
  /^Final-Recipient Action Status (?:Remote-MTA )?Diagnostic-Code(?: Last-Attempt-Date)?(?: Will-Retry-Until)?$/

function namesIn(lines: readonly string[]): string {
  return lines.flatMap((line) => /^([\w-]+):/.exec(line)?.[1] ?? (line.startsWith(' ') ? [] : ['?'])).join(' ')
}

async function check(report: DeliveryReport): Promise<void> {
  const text = deliveryReport(report)
  if (text === undefined) {
    assert.match(report.sender, /^\s*<?>?\s*$/)
    return
  }
  assert.match(text, /^(?:[\t\x20-\x7e]{0,998}\r\n)+$/, 'lines of ASCII that mail can carry')
  const [top] = text.split('\r\n\r\n', 1)
  assert.match(namesIn(top!.split('\r\n')), TOP)
  const mail = await PostalMime.parse(text, { attachmentEncoding: 'utf8' })
  const [status, header, ...others] = mail.attachments
  assert.deepEqual([status?.mimeType, header?.mimeType, others], ['message/delivery-status', 'text/rfc822-headers', []])
  const groups = (status!.content as string).trimEnd().split('\n\n')
  const [first, ...rest] = groups.map((group) => namesIn(group.split('\n')))
  assert.equal(first, 'Reporting-MTA Arrival-Date')
  assert.equal(rest.length, report.recipients.length)
  for (const names of rest) assert.match(names, PER_RECIPIENT)
  const actions = (status!.content as string).match(/^Action: .*$/gm)
  assert.deepEqual(
    actions,
    report.recipients.map(() => `Action: ${report.kind}`),
  )
  assert.ok(mail.text!.startsWith('This is the mail server '))
}

describe('reports of deliveries', () => {
  it('hold what they are to hold and nothing else, whatever others have written', () => {
    return fc.assert(fc.asyncProperty(REPORT, check), { numRuns: 1000 })
  })

  it('send a header back byte for byte, but for its line ends', () => {
    const line = fc
      .uint8Array({ minLength: 1, maxLength: 200 })
      .map((bytes) => bytes.filter((byte) => byte !== 10 && byte !== 13))
    const header = fc.array(
      line.filter((bytes) => bytes.length > 0),
      { minLength: 1, maxLength: 20 },
    )
    const back = (lines: readonly Uint8Array[]) => {
      const sent = Buffer.concat(lines.flatMap((bytes) => [Buffer.from(bytes), Buffer.from('\n')]))
      const text = deliveryReport({
        ...{ kind: 'failed', id: '1', host: 'mx.example.com', sender: 'ann@example.com', now: 0, arrivedAt: 0 },
        ...{ retryUntil: undefined, header: sent },
        recipients: [
          {
            address: 'a@b',
            cause: { by: 'reply', reply: '550 No', host: undefined },
            hasExpired: false,
            lastAttemptAt: 0,
          },
        ],
      })!
      const part = text.slice(text.indexOf('Content-Type: text/rfc822-headers'), text.lastIndexOf('\r\n--'))
      const [fields, ...rest] = part.split('\r\n\r\n')
      const content = rest.join('\r\n\r\n')
      const received = fields!.includes('quoted-printable') ? unquote(content) : Buffer.from(content, 'latin1')
      assert.equal(received.toString('latin1').replaceAll('\r\n', '\n'), sent.toString('latin1'))
    }
    fc.assert(fc.property(header, back))
  })
})

/** RFC 2045 §6.7, as a receiver reads it. */
function unquote(text: string): Buffer {
  for (const line of text.split('\r\n')) assert.ok(line.length <= 76 && !/[\t ]$/.test(line), JSON.stringify(line))
  const joined = text.replaceAll('=\r\n', '')
  const bytes = joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1')
}
