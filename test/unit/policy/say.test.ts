import assert from 'node:assert/strict'
import { newReference } from '../../../src/policy/reference'
import { sayDuration } from '../../../src/policy/say'

describe('sayDuration', () => {
  it('is exact to the second, from two days on to the hour, rounded up', () => {
    const cases: [number, string][] = [
      [0, 'a moment'],
      [1, '1 second'],
      [1000, '1 second'],
      [1001, '2 seconds'],
      [59_999, '1 minute'],
      [60_000, '1 minute'],
      [90_000, '1 minute 30 seconds'],
      [3_600_000, '1 hour'],
      [3_661_000, '1 hour 1 minute 1 second'],
      [86_400_000, '24 hours'],
      [7_322_000, '2 hours 2 minutes 2 seconds'],
      [2 * 86_400_000 - 1000, '47 hours 59 minutes 59 seconds'],
      [2 * 86_400_000, '2 days'],
      [2 * 86_400_000 + 1, '2 days 1 hour'],
      [31 * 86_400_000 - 1, '31 days'],
    ]
    for (const [ms, said] of cases) assert.equal(sayDuration(ms), said)
  })
})

describe('references', () => {
  it('are seven letters that nobody misreads, and do not repeat', () => {
    const references = new Set(Array.from({ length: 2000 }, newReference))
    assert.equal(references.size, 2000)
    for (const reference of references) assert.match(reference, /^[0-9A-HJKMNP-TV-Z]{7}$/)
  })
})
