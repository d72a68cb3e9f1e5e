import assert from 'node:assert/strict'
import { keyText } from '../../../src/keys/key'
import { isEnforced, modeText } from '../../../src/policy/mode'

const canary = (percent: number) => ({ kind: 'canary', percent }) as const

/** Keys as they come: addresses in a row, senders, networks. */
const keys = Array.from({ length: 60_000 }, (_, index) => {
  if (index % 3 === 0) return keyText('client', [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`])
  return index % 3 === 1
    ? keyText('sender', [`user${index}@example.com`])
    : keyText('net/26', [`2001:db8:${index}::/48`])
})

describe('modes', () => {
  it('off and shadow never enforce, enforce always does', () => {
    for (const key of keys.slice(0, 100)) {
      assert.equal(isEnforced({ kind: 'off' }, key), false)
      assert.equal(isEnforced({ kind: 'shadow' }, key), false)
      assert.equal(isEnforced({ kind: 'enforce' }, key), true)
    }
  })

  it('canary enforces for its share of the keys', () => {
    for (const percent of [1, 10, 50, 99]) {
      const share = (100 * keys.filter((key) => isEnforced(canary(percent), key)).length) / keys.length
      assert.ok(Math.abs(share - percent) < 1, `${percent}% came to ${share}%`)
    }
    assert.ok(keys.every((key) => isEnforced(canary(100), key)))
  })

  it('canary always means the same keys, and a larger share includes a smaller', () => {
    for (const key of keys.slice(0, 5000)) {
      assert.equal(isEnforced(canary(10), key), isEnforced(canary(10), key))
      if (isEnforced(canary(10), key)) assert.ok(isEnforced(canary(20), key))
    }
    // Of all processes, versions and days.
    const chosen = ['a@b.example', 'c@d.example', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5']
    assert.deepEqual(
      chosen.filter((value) => isEnforced(canary(50), keyText('sender', [value]))),
      ['a@b.example', 'c@d.example', '192.0.2.3', '192.0.2.4'],
    )
  })

  it('canary chooses other keys for another rule, so that nobody is always the one', () => {
    const both = keys.filter((key) => isEnforced(canary(50), key) === isEnforced(canary(50), `x${key}`)).length
    assert.ok(Math.abs(both / keys.length - 0.5) < 0.02)
  })

  it('have a name for logs', () => {
    assert.equal(modeText({ kind: 'shadow' }), 'shadow')
    assert.equal(modeText(canary(2.5)), 'canary 2.5%')
  })
})
