import assert from 'node:assert/strict'
import fc from 'fast-check'
import { triedAccount } from '../../../src/haraka/login'
import type { Connection } from '../../../src/haraka/types'

const base64 = (text: string) => Buffer.from(text).toString('base64')

function tried(params: readonly (string | undefined)[], notes: Record<string, unknown> = {}): string | undefined {
  return triedAccount({ notes } as unknown as Connection, params as string[])
}

describe('the account that a client tries', () => {
  it('stands in AUTH PLAIN, with it or on the line after', () => {
    const text = base64('\0Ann@Example.com\0secret')
    assert.equal(tried(['AUTH', `PLAIN ${text}`]), 'ann@example.com')
    assert.equal(tried(['auth', `plain  ${text} `]), 'ann@example.com')
    assert.equal(tried(['AUTH', 'PLAIN']), undefined)
    assert.equal(tried([text], { authenticating: true, auth_method: 'PLAIN' }), 'ann@example.com')
    assert.equal(tried(['AUTH', `PLAIN ${base64('admin\0ann\0x')}`]), 'ann', 'not the one it would act for')
  })

  it('is known with the password in AUTH LOGIN', () => {
    const dialogue = { authenticating: true, auth_method: 'LOGIN' }
    assert.equal(tried(['AUTH', 'LOGIN']), undefined)
    assert.equal(tried([base64('Ann')], { ...dialogue, auth_login_userlogin: null }), undefined)
    assert.equal(tried([base64('secret')], { ...dialogue, auth_login_userlogin: ' Ann ' }), 'ann')
  })

  it('stands in the answer to CRAM-MD5', () => {
    const dialogue = { authenticating: true, auth_method: 'CRAM-MD5' }
    assert.equal(tried([base64('Ann 0123456789abcdef')], dialogue), 'ann')
    assert.equal(tried(['AUTH', 'CRAM-MD5']), undefined)
  })

  it('is none of other commands and mechanisms', () => {
    assert.equal(tried(['STARTTLS', undefined]), undefined)
    assert.equal(tried(['AUTH', undefined]), undefined)
    assert.equal(tried([]), undefined)
    assert.equal(tried([base64('x')], { authenticating: true, auth_method: 'XOAUTH2' }), undefined)
    assert.equal(tried([base64('\0ann\0x')], {}), undefined, 'outside a dialogue')
  })

  it('is none where nothing can be read', () => {
    for (const text of ['=', '====', '%%%', base64('ann'), base64('\0\0x'), base64('\0 \0'), 'A']) {
      assert.equal(tried(['AUTH', `PLAIN ${text}`]), undefined, text)
    }
  })

  it('is short, whatever comes', () => {
    const method = fc.constantFrom('PLAIN', 'LOGIN', 'CRAM-MD5')
    const line = fc.oneof(fc.string({ unit: 'binary', maxLength: 600 }), fc.base64String({ maxLength: 600 }))
    fc.assert(
      fc.property(method, line, fc.boolean(), (auth_method, text, first) => {
        const notes = { authenticating: true, auth_method, auth_login_userlogin: text }
        const account = first ? tried(['AUTH', `${auth_method} ${text}`], notes) : tried([text], notes)
        assert.ok(account === undefined || (account !== '' && account.length <= 200))
      }),
    )
  })
})
