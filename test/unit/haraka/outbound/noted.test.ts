import assert from 'node:assert/strict'
import { Attempt } from '../../../../src/egress/attempt'
import { noted } from '../../../../src/haraka/outbound/noted'

describe('an answer as Haraka sees it', () => {
  const attempt = new Attempt(['bob@far.test'], (_phase, { text }) => ({
    isPassing: text.includes('slow'),
    isAboutUs: false,
  }))
  const shown = (...lines: string[]) => noted(attempt, 'rcpt', { code: Number(lines[0]!.slice(0, 3)), lines })

  it('is what it is', () => {
    for (const line of ['250 fine', '450 4.7.1 slow down', '550 5.1.1 no such user']) {
      assert.deepEqual(shown(line), { code: Number(line.slice(0, 3)), lines: [line] })
    }
    const refusal = { code: 550, lines: ['550 slow'] }
    assert.equal(noted(undefined, 'rcpt', refusal), refusal, 'nobody wants to know')
  })

  it('is put off where it will be over', () => {
    assert.deepEqual(shown('550 5.7.1 slow down'), { code: 450, lines: ['450 4.7.1 slow down'] })
    assert.deepEqual(shown('554 slow down, 5.0.0 said'), { code: 454, lines: ['454 slow down, 5.0.0 said'] })
    assert.deepEqual(shown('552-5.2.1 slow', '552 #5.2.1 down'), {
      ...{ code: 452, lines: ['452-4.2.1 slow', '452 #4.2.1 down'] },
    })
  })
})
