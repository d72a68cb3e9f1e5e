import assert from 'node:assert/strict'
import { PathBook } from '../../../src/egress/path-book'
import type { EgressRules } from '../../../src/egress/rules'
import { BASE_FIGURES, RULES, layer } from './fixtures'

const FAR = { domain: 'far.test', mx: ['mx2.far.test', 'mx1.far.test'], source: 'default' }

describe('path book', () => {
  it('works a path out once, however the names are written', () => {
    const book = new PathBook(() => RULES)
    const first = book.resolve(FAR)
    assert.equal(book.resolve({ ...FAR, domain: 'FAR.test.', mx: ['MX1.far.test', 'mx2.far.test.'] }), first)
    assert.notEqual(book.resolve({ ...FAR, source: 'other' }), first)
    assert.notEqual(book.resolve({ ...FAR, domain: 'near.test' }), first)
    assert.equal(book.profileOf(FAR), first.profile)
  })

  it('goes by other rules as soon as they are in force', () => {
    let rules: EgressRules = RULES
    const book = new PathBook(() => rules)
    assert.equal(book.profileOf(FAR).connections, 10)
    rules = { ...RULES, base: layer('default', '', { ...BASE_FIGURES, connections: 3 }) }
    assert.equal(book.profileOf(FAR).connections, 3)
    rules = RULES
    assert.equal(book.profileOf(FAR).connections, 10)
  })

  it('forgets the oldest of very many', () => {
    const book = new PathBook(() => RULES)
    const first = book.resolve(FAR)
    for (let number = 0; number < 10_000; number++) book.resolve({ ...FAR, domain: `d${number}.test` })
    assert.notEqual(book.resolve(FAR), first)
  })
})
