import assert from 'node:assert/strict'
import fc from 'fast-check'
import { readDeliveryStatus } from '../../src/feedback/reports/delivery-status'
import { readFeedbackReport } from '../../src/feedback/reports/feedback-report'
import { readOldBounce } from '../../src/feedback/reports/old-bounce'
import { readReport } from '../../src/feedback/reports/read-report'
import { envelope, sample } from '../unit/feedback/reports/samples'

const SAMPLES = [
  'postfix',
  'exim-old',
  'qmail',
  'gmail',
  'microsoft365',
  'exchange-old',
  'lotus',
  'arf-aol',
  'jmrp',
  'vacation',
]
/** Nothing of these sizes may take longer, on a busy machine. */
const MOST_MS = 5000

async function readAny(message: Buffer): Promise<void> {
  const began = performance.now()
  try {
    const { kind } = await readReport(message, envelope())
    assert.ok(['bounce', 'complaint', 'unsubscribe', 'unheeded'].includes(kind))
  } catch (error) {
    // The only way in which reading may end besides.
    assert.match(String(error), /^Error: Maximum (?:MIME nesting depth|header size)/)
  }
  assert.ok(performance.now() - began < MOST_MS)
}

describe('reading reports, with anything', function () {
  this.timeout(120_000)

  it('ends for any bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 4000 }), (bytes) => readAny(Buffer.from(bytes))))
  })

  it('ends for any change of a report', async () => {
    const change = fc.record({
      name: fc.constantFrom(...SAMPLES),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.nat(200),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
        fc
          .constantFrom('\r\n\r\n', '--', '\r\n--b--\r\n', 'Content-Type: multipart/mixed; boundary=b\r\n')
          .map((text) => Buffer.from(text)),
      ),
      times: fc.integer({ min: 1, max: 2000 }),
    })
    await fc.assert(
      fc.asyncProperty(change, ({ name, at, remove, insert, times }) => {
        const report = sample(name)
        const place = Math.floor(at * report.length)
        const inserted = Array<Buffer>(times).fill(insert)
        return readAny(Buffer.concat([report.subarray(0, place), ...inserted, report.subarray(place + remove)]))
      }),
      { numRuns: 300 },
    )
  })

  it('takes time that grows with the text alone, whatever is repeated in it', () => {
    const bits = [
      '<',
      '>',
      '(',
      ')',
      '-',
      ' ',
      '\t',
      '\n',
      ';',
      ':',
      '@',
      'a@b ',
      '<a@b>:\n',
      'Status: (',
      'Action: failed\n',
      'Final-Recipient: ',
      '5.',
      '550 ',
      '- ',
      '\\x{',
      '\n\n',
      '--',
    ]
    for (const bit of bits) {
      const text = bit.repeat(Math.ceil(200_000 / bit.length))
      const began = performance.now()
      readDeliveryStatus(Buffer.from(`Reporting-MTA: ${text}`))
      readDeliveryStatus(Buffer.from(`Status: ${text}`))
      readDeliveryStatus(Buffer.from(text))
      readFeedbackReport(Buffer.from(`Feedback-Type: ${text}`))
      readOldBounce(`undeliverable ${text}`, [{ name: 'x-failed-recipients', value: text }], text)
      const ms = performance.now() - began
      assert.ok(ms < 2000, `${JSON.stringify(bit)}: ${ms} ms`)
    }
  })

  it('takes no longer for a subject of blanks, in which a link is looked for', async () => {
    const message = Buffer.from(`Subject: x${`\r\n${' '.repeat(900)}`.repeat(400)}!\r\n\r\nno more\r\n`)
    const began = performance.now()
    const { kind } = await readReport(message, envelope({ sender: 'bob@example.net', address: 'unsubscribe' }))
    const ms = performance.now() - began
    assert.equal(kind, 'unsubscribe')
    assert.ok(ms < 2000, `${ms} ms`)
  })
})
