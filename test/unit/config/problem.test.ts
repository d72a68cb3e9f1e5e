import assert from 'node:assert/strict'
import { byPlace, didYouMean, formatProblem, pathText } from '../../../src/config/problem'
import { redactSecrets } from '../../../src/config/redact'

const at = (file: string, line: number, column: number) => ({ file, line, column, path: '', message: 'wrong' })

describe('problems', () => {
  it('are one line each, as compilers write them', () => {
    const place = at('config/sluice.yaml', 12, 5)
    assert.equal(formatProblem({ ...place, path: 'mode' }), 'config/sluice.yaml:12:5 mode: wrong')
    assert.equal(formatProblem(place), 'config/sluice.yaml:12:5 wrong')
  })

  it('name keys that hold dots or blanks in quotes', () => {
    const path = ['limits', 'sender', 'overrides', 'example.com', 'limit', 1]
    assert.equal(pathText(path), 'limits.sender.overrides."example.com".limit[1]')
    assert.equal(pathText(['My Rule']), '"My Rule"')
    assert.equal(pathText([]), '')
  })

  it('are read from top to bottom', () => {
    const sorted = [at('b', 1, 1), at('a', 10, 1), at('a', 9, 2), at('a', 9, 1)].sort(byPlace)
    assert.deepEqual(
      sorted.map(({ file, line, column }) => `${file}${line}.${column}`),
      ['a9.1', 'a9.2', 'a10.1', 'b1.1'],
    )
  })
})

describe('didYouMean', () => {
  const keys = ['limit', 'limits', 'per', 'mode', 'count', 'sender_domain']

  it('finds the word behind a slip', () => {
    const slips = { limt: 'limit', limtis: 'limits', LIMIT: 'limit', mdoe: 'mode', per_: 'per', conut: 'count' }
    for (const [word, meant] of Object.entries(slips)) assert.equal(didYouMean(word, keys), meant, word)
    assert.equal(didYouMean('senderdomain', keys), 'sender_domain')
  })

  it('does not guess wildly', () => {
    for (const word of ['xyz', '', 'pool', 'trusted']) assert.equal(didYouMean(word, keys), undefined, word)
    assert.equal(didYouMean('a'.repeat(1e5), keys), undefined)
  })
})

describe('redactSecrets', () => {
  it('hides whatever may be a password in a store address', () => {
    const cases = {
      'redis://h:6379/0': 'redis://h:6379/0',
      'redis://:pw@h': 'redis://:***@h',
      'redis://user:p@s/s:w@h:6379/0': 'redis://:***@h:6379/0',
      'rediss+sentinel://u:p@a:1,b:2/primary': 'rediss+sentinel://:***@a:1,b:2/primary',
      'unix:/run/r.sock?db=1&password=pw&x=1': 'unix:/run/r.sock?db=1&password=***&x=1',
      'lmdb:data/sluice': 'lmdb:data/sluice',
    }
    for (const [text, shown] of Object.entries(cases)) assert.equal(redactSecrets(text), shown)
  })
})
