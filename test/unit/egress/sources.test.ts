import assert from 'node:assert/strict'
import { type Pool, type PoolRules, type Source, bindFor, choosePool, chooseSource } from '../../../src/egress/sources'

const source = (name: string, more: Partial<Source> = {}): Source => {
  return { name, bind: undefined, bind6: undefined, helo: undefined, ...more }
}
const pool = (name: string, weights: Readonly<Record<string, number>>): Pool => {
  return { name, members: Object.entries(weights).map(([member, weight]) => ({ source: source(member), weight })) }
}

const RULES: PoolRules = {
  ofAccount: new Map([['ann@example.com', pool('of-ann', { a: 1 })]]),
  ofTenant: new Map([['example.com', pool('of-example', { b: 1 })]]),
  ofClass: new Map([['marketing', pool('of-marketing', { c: 1 })]]),
  standard: pool('main', { a: 3, b: 1 }),
}
const NOBODY = { account: undefined, tenant: undefined, mailClass: 'system' } as const

describe('the pool that mail goes out by', () => {
  const chosen = (sender: Partial<Parameters<typeof choosePool>[1]>) => {
    const { pool, by } = choosePool({ pools: RULES }, { ...NOBODY, ...sender })
    return `${pool.name} by ${by}`
  }

  it('is that of the account, else of the tenant, else of the class', () => {
    const account = 'ann@example.com'
    const tenant = 'example.com'
    assert.equal(chosen({ account, tenant, mailClass: 'marketing' }), 'of-ann by account')
    assert.equal(chosen({ account: 'bob@example.com', tenant, mailClass: 'marketing' }), 'of-example by tenant')
    assert.equal(
      chosen({ account: 'bob@example.net', tenant: 'example.net', mailClass: 'marketing' }),
      'of-marketing by class',
    )
    assert.equal(chosen({ tenant: 'example.net', mailClass: 'transactional' }), 'main by default')
    assert.equal(chosen({}), 'main by default')
  })

  it('does not depend on the case of accounts and tenants', () => {
    assert.equal(chosen({ account: 'Ann@Example.com' }), 'of-ann by account')
    assert.equal(chosen({ tenant: 'EXAMPLE.com' }), 'of-example by tenant')
  })
})

describe('the source of a message', () => {
  const choose = (stickyKey: string, ...resting: readonly string[]) =>
    chooseSource({ pools: RULES }, { ...NOBODY, stickyKey, resting: ({ name }) => resting.includes(name) }).name
  const keys = Array.from({ length: 1000 }, (_, at) => `${at}-4F1C.1`)

  it('is another one of the pool while its own rests, and its own again afterwards', () => {
    const own = keys.map((key) => choose(key))
    for (const [at, key] of keys.entries()) {
      assert.equal(choose(key, own[at]!), own[at] === 'a' ? 'b' : 'a')
      assert.equal(choose(key), own[at])
    }
  })

  it('is its own when all rest', () => {
    for (const key of keys) assert.equal(choose(key, 'a', 'b'), choose(key))
  })

  it('stays what it was from release to release', () => {
    // Else a new version would move mail that waits from one address to another.
    assert.equal(
      keys
        .slice(0, 24)
        .map((key) => choose(key))
        .join(''),
      'baaaaabbabababaaaabaabaa',
    )
  })

  it('is the only one there is, even when it rests', () => {
    const choice = { ...NOBODY, account: 'ann@example.com', stickyKey: 'x', resting: () => true }
    assert.equal(chooseSource({ pools: RULES }, choice).name, 'a')
  })
})

describe('the address that a source connects from', () => {
  const four = '192.0.2.25'
  const six = '2001:db8::25'

  it('is of the family of the host', () => {
    const both = source('both', { bind: '192.0.2.10', bind6: '2001:db8::10' })
    assert.deepEqual(bindFor(both, four), { address: '192.0.2.10' })
    assert.deepEqual(bindFor(both, six), { address: '2001:db8::10' })
  })

  it('is none where the source has no address of that family', () => {
    assert.equal(bindFor(source('four', { bind: '192.0.2.10' }), six), undefined)
    assert.equal(bindFor(source('six', { bind6: '2001:db8::10' }), four), undefined)
    assert.equal(bindFor(source('four', { bind: '192.0.2.10' }), 'mx.example.com'), undefined)
  })

  it('is left to the system where the source has none at all', () => {
    for (const ip of [four, six])
      assert.deepEqual(bindFor(source('named', { helo: 'mx.example.com' }), ip), { address: undefined })
  })
})
