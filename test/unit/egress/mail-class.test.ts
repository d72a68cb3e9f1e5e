import assert from 'node:assert/strict'
import { type ClassRules, type Submitted, classify, readClass } from '../../../src/egress/mail-class'

const RULES: ClassRules = {
  ofAccount: new Map([['shop@example.com', 'transactional']]),
  ofTenant: new Map([
    ['example.com', 'marketing'],
    ['example.net', 'system'],
  ]),
  standard: 'system',
  header: 'X-Sluice-Class',
  campaignHeader: 'X-Sluice-Campaign',
}
const STRANGER: Submitted = {
  ...{ account: undefined, tenant: undefined, header: undefined },
  ...{ isTrusted: false, isBounce: false },
}
const ANN = { account: 'ann@example.org', tenant: 'example.org' }
const NEWS = { account: 'news@example.com', tenant: 'example.com' }

function said(submitted: Partial<Submitted>, rules: Partial<ClassRules> = {}): string {
  const { mailClass, by, ignored } = classify({ ...RULES, ...rules }, { ...STRANGER, ...submitted })
  return `${mailClass} by ${by}${ignored === undefined ? '' : `, ignored: ${ignored}`}`
}

describe('the class of a message', () => {
  it('is that of the account, else of the tenant, else the default', () => {
    assert.equal(said({ account: 'shop@example.com', tenant: 'example.com' }), 'transactional by account')
    assert.equal(said(NEWS), 'marketing by tenant')
    assert.equal(said(ANN), 'system by default')
    assert.equal(said({}), 'system by default')
    assert.equal(said({}, { standard: 'marketing' }), 'marketing by default')
    assert.equal(said({ account: 'Shop@Example.com' }), 'transactional by account')
  })

  it('is what the header says, of an account of which nothing else is said', () => {
    for (const header of ['transactional', 'marketing', 'system']) {
      assert.equal(said({ ...ANN, header }), `${header} by header`)
    }
  })

  it('may be less urgent than what is written for the account, and not more', () => {
    const shop = { account: 'shop@example.com', tenant: 'example.com' }
    assert.equal(said({ ...shop, header: 'marketing' }), 'marketing by header')
    assert.equal(said({ ...NEWS, header: 'transactional' }), 'marketing by tenant, ignored: above')
    assert.equal(said({ ...NEWS, header: 'system' }), 'marketing by tenant, ignored: above')
    assert.equal(said({ ...NEWS, header: 'marketing' }), 'marketing by header')
    const net = { account: 'x@example.net', tenant: 'example.net' }
    assert.equal(said({ ...net, header: 'transactional' }), 'system by tenant, ignored: above')
    assert.equal(said({ ...net, header: 'system' }), 'system by header')
  })

  it('is whatever a machine of ours says', () => {
    assert.equal(said({ isTrusted: true, header: 'transactional' }), 'transactional by header')
    assert.equal(said({ ...NEWS, isTrusted: true, header: 'transactional' }), 'transactional by header')
  })

  it('is not what a stranger says', () => {
    assert.equal(said({ header: 'transactional' }), 'system by default, ignored: stranger')
    assert.equal(said({ header: 'nonsense' }), 'system by default, ignored: stranger')
  })

  it('is not what makes no sense', () => {
    for (const header of ['urgent', '', 'transactional, marketing', 'transactional (really)', '1']) {
      assert.equal(said({ ...ANN, header }), 'system by default, ignored: unknown', header)
    }
    assert.equal(said({ ...NEWS, header: 'bulk' }), 'marketing by tenant, ignored: unknown')
  })

  it('is system for a bounce, whatever else is said', () => {
    assert.equal(said({ ...NEWS, isBounce: true }), 'system by bounce')
    assert.equal(said({ ...ANN, isBounce: true, header: 'transactional' }), 'system by bounce')
    assert.equal(said({ isTrusted: true, isBounce: true, header: 'marketing' }), 'system by bounce')
  })

  it('is not read from the mail where no header is configured', () => {
    assert.equal(said({ ...ANN, header: 'marketing' }, { header: undefined }), 'system by default')
    assert.equal(said({ header: 'marketing' }, { header: undefined }), 'system by default')
  })
})

describe('a class in a header', () => {
  it('is read whatever its case, and the blanks and line ends around it', () => {
    for (const text of ['marketing', ' Marketing ', 'MARKETING\r\n', '\tmarketing\n']) {
      assert.equal(readClass(text), 'marketing', JSON.stringify(text))
    }
  })

  it('is undefined for all else', () => {
    for (const text of ['', 'market', 'mark eting', 'marketing;', '__proto__', 'constructor', '0']) {
      assert.equal(readClass(text), undefined, JSON.stringify(text))
    }
  })
})
