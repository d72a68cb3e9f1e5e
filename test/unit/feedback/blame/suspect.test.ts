import assert from 'node:assert/strict'
import { type Standing, domainIn, suspectIn } from '../../../../src/feedback/blame/suspect'

const POLICY = { least: 5, share: 0.5, times: 3 }

const of = (kind: Standing['kind'], name: string, bad: number, all: number): Standing => ({
  ...{ target: `sender|${kind}|${name}`, kind, name, bad, all },
})
const name = (standings: readonly Standing[], domain?: string) => suspectIn(standings, POLICY, domain)?.standing.name

describe('whom bad answers are to be blamed on', () => {
  const good = [of('account', 'ann', 1, 900), of('account', 'bob', 0, 300)]

  it('is who has most of them, and more than the others', () => {
    assert.equal(name([...good, of('account', 'eve', 40, 80)]), 'eve')
    const { badOfAll, all } = suspectIn([...good, of('account', 'eve', 40, 80)], POLICY)!
    assert.deepEqual([badOfAll, all], [41, 1280])
  })

  it('is nobody when all have their part', () => {
    assert.equal(
      name([of('account', 'ann', 10, 100), of('account', 'bob', 11, 100), of('account', 'eve', 9, 100)]),
      undefined,
    )
    assert.equal(
      name([of('account', 'ann', 60, 600), of('account', 'bob', 10, 100)]),
      undefined,
      'who sends most has most',
    )
    assert.equal(name([...good, of('account', 'eve', 4, 4)]), undefined, 'too few')
    assert.equal(name([]), undefined)
  })

  it('is the most particular: a campaign before its account, an account before its tenant', () => {
    const tenant = [of('tenant', 'acme', 40, 500), of('tenant', 'other', 0, 800)]
    const accounts = [of('account', 'eve', 40, 80), of('account', 'ann', 0, 420)]
    assert.equal(name([...tenant, ...accounts]), 'eve')
    assert.equal(name([...tenant, ...accounts, of('campaign', 'acme/spring', 40, 60)]), 'acme/spring')
    const spread = Array.from({ length: 20 }, (_, index) => of('account', `a${index}`, 2, 25))
    assert.equal(name([...tenant, ...spread]), 'acme', 'many accounts of one tenant')
  })

  it('is no campaign for what mail of no campaign does, and no account for what clients do', () => {
    const spring = of('campaign', 'acme/spring', 6, 400)
    const ann = of('account', 'ann', 6, 400)
    assert.equal(name([spring, ann, of('account', 'eve', 300, 600)]), 'eve')
    assert.equal(name([spring, ann, of('client', '192.0.2.7', 300, 600)]), '192.0.2.7')
    assert.equal(name([spring, ann, of('account', 'eve', 6, 400), of('account', 'joe', 6, 400)]), undefined)
  })

  it('is the only one there is', () => {
    assert.equal(name([of('account', 'app', 10, 200)]), 'app')
  })

  it('is somebody of the domain that the answer names, or nobody', () => {
    const two = [of('account', 'eve@bad.test', 20, 40), of('account', 'ann@good.test', 2, 900)]
    assert.equal(name(two, 'bad.test'), 'eve@bad.test')
    assert.equal(name(two, 'good.test'), undefined)
  })

  it('reads the domain where Google writes it', () => {
    assert.equal(domainIn('originating from your SPF domain [Example.com      35]. To protect'), 'example.com')
    assert.equal(domainIn('originating from your DKIM domain [mail.example.co.uk 36]'), 'mail.example.co.uk')
    assert.equal(domainIn('originating from your IP address [192.0.2.1 15]'), undefined)
  })
})
