import assert from 'node:assert/strict'
import { Opening, offersTls, withoutTls } from '../../../../src/haraka/outbound/opening'

const hello = (...lines: string[]) => ({ code: Number(lines[0]!.slice(0, 3)), lines })

describe('the beginning of a session', () => {
  it('is said again as it was: in the clear, then in TLS, and no login twice', () => {
    const opening = new Opening()
    const clear = hello('250-far.test', '250 STARTTLS')
    const secure = hello('250-far.test', '250 SIZE 1000')
    opening.heard('EHLO near.test', clear, false)
    opening.heard('EHLO near.test', secure, true)
    assert.equal(opening.recall('EHLO near.test', false, true), clear)
    assert.equal(opening.recall('STARTTLS', false, true)?.code, 220)
    assert.equal(opening.recall('STARTTLS', false, false), undefined)
    assert.equal(opening.recall('EHLO near.test', true, true), secure)
    assert.equal(opening.recall('EHLO other.test', true, true), undefined)
    assert.equal(opening.recall('AUTH PLAIN AGFubg==', true, true), undefined)
    opening.isLoggedIn = true
    assert.equal(opening.recall('AUTH PLAIN AGFubg==', true, true)?.code, 235)
  })

  it('can be shown without TLS, wherever that stands', () => {
    const cases: [string[], string[]][] = [
      [
        ['250-far.test', '250-STARTTLS', '250 SIZE 5'],
        ['250-far.test', '250 SIZE 5'],
      ],
      [
        ['250-far.test', '250-SIZE 5', '250 starttls'],
        ['250-far.test', '250 SIZE 5'],
      ],
      [['250-far.test', '250 STARTTLS'], ['250 far.test']],
      [['250 far.test'], ['250 far.test']],
    ]
    for (const [lines, expected] of cases) {
      assert.deepEqual(withoutTls(hello(...lines)), hello(...expected))
      assert.equal(offersTls(hello(...lines)), lines.length > 1)
      assert.equal(offersTls(hello(...expected)), false)
    }
  })

  it('says which size the host does not take, if any', () => {
    const opening = new Opening()
    assert.equal(opening.refusalOf(1e9), undefined)
    opening.heard('EHLO near.test', hello('250-far.test', '250 SIZE 10000'), false)
    assert.equal(opening.refusalOf(10_000), undefined)
    assert.equal(opening.refusalOf(undefined), undefined)
    assert.match(opening.refusalOf(10_101)!.lines[0]!, /^552 5\.3\.4 Not sent: 10101 bytes, and the host takes 10000$/)
    for (const none of ['250 SIZE 0', '250 SIZE']) {
      opening.heard('EHLO near.test', hello('250-far.test', none), true)
      assert.equal(opening.refusalOf(1e9), undefined, none)
    }
  })
})
