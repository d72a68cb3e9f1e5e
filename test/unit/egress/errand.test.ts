import assert from 'node:assert/strict'
import {
  ERRAND_TTL_MS,
  type ErrandTarget,
  answerEntry,
  errandEntry,
  isMeant,
  newErrand,
  readAnswer,
  readErrand,
} from '../../../src/egress/errand'
import { MAX_BOARD_TEXT } from '../../../src/store/store'

const errandFor = (target: ErrandTarget, reason = '') => newErrand({ kind: 'bounce', target, reason, most: 5 })
const ANSWER = { process: 'mx1-1-A', done: 1, waiting: 2, underWay: 3, putOff: 4, failed: 5, unseen: 6, isOver: true }

describe('errand', () => {
  it('is read back as it was written, on one line', () => {
    for (const target of [
      { path: 'egress|default|*' },
      { domain: 'bücher.example' },
      { file: '1785849725000_aBcDeF' },
    ]) {
      const errand = errandFor(target, 'wrong\n\u001b[2J domain')
      const entry = errandEntry(errand, 1000)
      assert.deepEqual(readErrand(entry), errand)
      assert.deepEqual([errand.reason, entry.expiresAt], ['wrong [2J domain', 1000 + ERRAND_TTL_MS])
    }
    const longest = errandEntry(errandFor({ domain: 'x'.repeat(255) }, '"'.repeat(1000)), 0)
    assert.ok(longest.text.length <= MAX_BOARD_TEXT, `${longest.text.length}`)
  })

  it('is not believed when it is something else', () => {
    const entry = errandEntry(errandFor({ domain: 'a.test' }), 0)
    const but = (more: object) => ({
      ...entry,
      text: JSON.stringify({ ...(JSON.parse(entry.text) as object), ...more }),
    })
    for (const wrong of [
      { ...entry, key: 'egress_order|ABCDEFG' },
      { ...entry, key: 'egress_errand|abc' },
      { ...entry, text: '{' },
      but({ kind: 'delete' }),
      but({ target: {} }),
      but({ target: { domain: 'a.test', path: 'egress|*' } }),
      but({ target: { domain: 'a\nb' } }),
      but({ target: { file: '../../etc/passwd' } }),
      but({ target: { path: 7 } }),
      but({ target: null }),
      but({ most: -1 }),
      but({ most: 1.5 }),
      but({ reason: 1 }),
    ]) {
      assert.equal(readErrand(wrong), undefined, JSON.stringify(wrong))
    }
  })

  it('knows what it means, and what it cannot know yet', () => {
    const message = { id: '1785849725000_aBcDeF', domain: 'A.test', path: 'egress|default|google' }
    const meant = (target: ErrandTarget, more: object = {}) => isMeant(target, { ...message, ...more })
    assert.equal(meant({ file: '1785849725000_aBcDeF' }, { domain: undefined, path: undefined }), true)
    assert.equal(meant({ file: '1785849725000_other1' }), false)
    assert.equal(meant({ domain: 'a.test' }), true)
    assert.equal(meant({ domain: 'b.test' }), false)
    assert.equal(meant({ domain: 'a.test' }, { domain: undefined }), undefined)
    assert.equal(meant({ path: 'egress|default|*' }), true)
    assert.equal(meant({ path: 'egress|pool1|*' }), false)
    assert.equal(meant({ path: 'egress|default|google' }, { path: undefined }), undefined)
  })

  it('is answered by each process for itself', () => {
    const errand = errandFor({ domain: 'a.test' })
    const entry = answerEntry(errand, ANSWER, 0)
    assert.deepEqual(readAnswer(errand, entry), ANSWER)
    assert.equal(readAnswer(errandFor({ domain: 'a.test' }), entry), undefined)
    assert.equal(readAnswer(errand, { ...entry, text: '{"done":1}' }), undefined)
    assert.equal(readAnswer(errand, { ...entry, key: `${entry.key} x` }), undefined)
  })
})
