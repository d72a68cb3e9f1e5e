import assert from 'node:assert/strict'
import { banKey, banOf, entryOf } from '../../../../src/gates/jail/ban-entry'
import { MAX_BOARD_TEXT, MAX_KEY_LENGTH } from '../../../../src/store/store'
import { AT, HOUR, banOn } from './fixtures'

describe('a ban on the board', () => {
  it('reads back as it was written', () => {
    for (const text of ['192.0.2.7', '2001:db8::/48', 'account:ann', 'domain:spam.example']) {
      assert.deepEqual(banOf(entryOf(banOn(text))), banOn(text))
    }
  })

  it('fits on it, however long its words are', () => {
    const { key, text } = entryOf(banOn('account:' + 'a'.repeat(200), { reason: '"😀'.repeat(100) }))
    assert.ok(key.length <= MAX_KEY_LENGTH && text.length <= MAX_BOARD_TEXT)
    assert.match(key, /^[\x21-\x7e]+$/)
  })

  it('is no ban when something else stands there', () => {
    const { key, text, expiresAt } = entryOf(banOn('192.0.2.7'))
    const strange = ['', '{', 'null', '7', '[]', '{"origin":"x"}', '{"origin":"A B","reason":"","since":1}']
    const wrong = ['{"origin":"jail","reason":7,"since":1}', '{"origin":"jail","reason":"","since":"x"}']
    for (const other of [...strange, ...wrong]) assert.equal(banOf({ key, text: other, expiresAt }), undefined, other)
    for (const other of ['slow|ann', 'ban|', 'ban|x', 'xban|192.0.2.7']) {
      assert.equal(banOf({ key: other, text, expiresAt }), undefined, other)
    }
  })

  it('has one key only, so that one withdrawal lifts it', () => {
    const { text, expiresAt } = entryOf(banOn('192.0.2.7'))
    for (const key of [
      'ban|192.0.2.7/32',
      'ban| 192.0.2.7',
      'ban|2001:DB8::1',
      'ban|Spam.Example',
      'ban|spam.example',
    ]) {
      assert.equal(banOf({ key, text, expiresAt }), undefined, key)
    }
    assert.equal(banKey({ text: '192.0.2.7' }), 'ban|192.0.2.7')
  })

  it('keeps its end whatever its text says', () => {
    const entry = entryOf(banOn('192.0.2.7'))
    assert.equal(banOf({ ...entry, expiresAt: AT + 2 * HOUR })?.until, AT + 2 * HOUR)
  })
})
