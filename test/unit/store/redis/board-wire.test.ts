import assert from 'node:assert/strict'
import type { BoardStep } from '../../../../src/store/board'
import { decodeEntry, decodeMessage, encodeSteps } from '../../../../src/store/redis/board-wire'

describe('what the board says through Redis', () => {
  const steps: BoardStep[] = [
    { kind: 'posted', entry: { key: 'a b', text: ' "x"\n', expiresAt: 1_700_000_000_000.5 } },
    { kind: 'withdrawn', key: 'p' },
  ]

  it('arrives as it was sent', () => {
    const message = `12 host:1:ab:3 ${JSON.stringify(encodeSteps(steps))}`
    assert.deepEqual(decodeMessage(message), { number: 12, name: 'host:1:ab:3', steps })
  })

  it('is nothing when the script has not said it', () => {
    const strange = [
      '',
      'x',
      '1 n',
      '1 n {',
      '1 n [',
      '1 n ["p","k","soon","t"]',
      '1 n ["p","k"]',
      '1 n [1]',
      '1 n [null]',
    ]
    for (const message of strange) assert.equal(decodeMessage(message), undefined, message)
  })

  it('is an entry when it says when it ends', () => {
    assert.deepEqual(decodeEntry('k', '1e+30 a b'), { key: 'k', text: 'a b', expiresAt: 1e30 })
    for (const value of ['', ' x', 'x y', '12', 'Infinity x']) assert.equal(decodeEntry('k', value), undefined, value)
  })
})
