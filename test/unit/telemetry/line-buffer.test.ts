import assert from 'node:assert/strict'
import fc from 'fast-check'
import { LineBuffer } from '../../../src/telemetry/line-buffer'

describe('line buffer', () => {
  it('gives back the bytes of what was added, in order, whatever the text and however long', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.integer({ min: 0, max: 70_000 }).map((n) => 'ü'.repeat(n)),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.nat(20), (lines, split) => {
        const buffer = new LineBuffer()
        for (const text of lines.slice(0, split)) buffer.add(text)
        const first = buffer.take()
        for (const text of lines.slice(split)) buffer.add(text)
        buffer.putBack(first)
        const whole = Buffer.concat(lines.map((text) => Buffer.from(text)))
        assert.equal(buffer.bytes, whole.length)
        assert.ok(buffer.take().equals(whole))
        assert.equal(buffer.bytes, 0)
      }),
      { numRuns: 50 },
    )
  })
})
