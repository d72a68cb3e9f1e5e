import assert from 'node:assert/strict'
import { pathKey } from '../../../src/egress/path-key'

describe('store keys of paths', () => {
  it('are read by people, and fit a store however long the path is', () => {
    assert.equal(pathKey('egress_step', 'egress|default|google'), 'egress_step|egress|default|google')
    const [long, other] = ['a', 'b'].map((last) => pathKey('egress_step', `egress|default|${'x'.repeat(284)}${last}`))
    assert.match(long!, /^egress_step\|#[\w-]{22}$/)
    assert.notEqual(long, other)
    assert.equal(pathKey('r', 'x'.repeat(298)).length, 300)
  })
})
