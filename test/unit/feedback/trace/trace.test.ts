import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { readKeys } from '../../../../src/feedback/trace/key-file'
import { Sealer } from '../../../../src/feedback/trace/seal'
import { readTrace, writeTrace } from '../../../../src/feedback/trace/trace'
import { ORIGIN, SEALER, SENT_AT } from '../reports/samples'

const sealed = (recipients: readonly string[], origin = ORIGIN) =>
  writeTrace(SEALER, 'trace', { at: SENT_AT, origin, recipients })!

describe('the trace of a message', () => {
  it('says whose it is and when it was sent, to whom we can read it', () => {
    const trace = readTrace(SEALER, 'trace', sealed(['Bob@example.net']))!
    assert.deepEqual(trace.origin, ORIGIN)
    assert.deepEqual([trace.at, trace.count, trace.only], [SENT_AT, 1, 'bob@example.net'])
    assert.deepEqual([trace.wentTo('BOB@example.net'), trace.wentTo('eve@example.net')], [true, false])
  })

  it('keeps what is not known unknown, and letters of any alphabet', () => {
    const origin = { ...ORIGIN, tenant: undefined, account: 'päul@example.com', campaign: undefined, sender: '' }
    assert.deepEqual(readTrace(SEALER, 'trace', sealed(['bob@example.net'], origin))!.origin, origin)
  })

  it('knows each of many recipients, and nearly nobody else', () => {
    const recipients = Array.from({ length: 100 }, (_, number) => `user${number}@example.net`)
    const token = sealed(recipients)
    const trace = readTrace(SEALER, 'trace', token)!
    assert.deepEqual([trace.count, trace.only], [100, undefined])
    assert.ok(recipients.every((address) => trace.wentTo(address)))
    const others = Array.from({ length: 10_000 }, (_, number) => `other${number}@example.net`)
    assert.ok(others.filter((address) => trace.wentTo(address)).length < 40)
    assert.ok(token.length < 600, `${token.length} characters`)
  })

  it('tells nothing to who has no key, and is short', () => {
    const token = sealed(['bob@example.net'])
    const bytes = Buffer.from(token, 'base64url').toString('latin1')
    for (const name of ['acme', 'shop', 'july', 'bob', '192.0.2', '0E1F']) assert.ok(!bytes.includes(name), name)
    assert.ok(token.length < 250, `${token.length} characters`)
  })

  it('is nothing when one bit of it is another, when it is cut, or when another key has made it', () => {
    const bytes = Buffer.from(sealed(['bob@example.net']), 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const other = Buffer.from(bytes)
      other[bit >> 3]! ^= 1 << (bit & 7)
      assert.equal(readTrace(SEALER, 'trace', other.toString('base64url')), undefined, `bit ${bit}`)
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(readTrace(SEALER, 'trace', bytes.subarray(0, length).toString('base64url')), undefined)
    }
    assert.equal(readTrace(new Sealer([Buffer.alloc(32, 8)]), 'trace', bytes.toString('base64url')), undefined)
  })

  it('is for one purpose: that in a link is none of a report', () => {
    assert.equal(readTrace(SEALER, 'unsubscribe', sealed(['bob@example.net'])), undefined)
  })

  it('is read although a server has folded it, and from any text without throwing', () => {
    const token = sealed(['bob@example.net'])
    assert.ok(readTrace(SEALER, 'trace', token.replace(/(.{20})/g, '$1\r\n\t')))
    fc.assert(fc.property(fc.string(), (text) => readTrace(SEALER, 'trace', text) === undefined))
  })

  it('of a name that is far too long is none', () => {
    assert.equal(
      writeTrace(SEALER, 'trace', { at: 0, origin: { ...ORIGIN, tenant: 'x'.repeat(600) }, recipients: ['a@b'] }),
      undefined,
    )
  })
})

describe('the keys of traces', () => {
  let dir: string
  let file: string
  const notices: string[] = []
  const keys = () => readKeys(file, (message) => notices.push(message))
  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-keys-'))
    file = path.join(dir, 'data/feedback-key')
    notices.length = 0
  })
  afterEach(() => rmSync(dir, { recursive: true }))
  const token = (sealer: Sealer) =>
    writeTrace(sealer, 'trace', { at: SENT_AT, origin: ORIGIN, recipients: ['a@b.test'] })!

  it('are made once, for the owner alone', () => {
    const first = token(keys())
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(readTrace(keys(), 'trace', first))
    assert.deepEqual([readdirSync(path.dirname(file)), notices], [['feedback-key'], []])
  })

  it('are changed by a new one above the old one, which still opens', () => {
    const before = token(keys())
    const old = readFileSync(file, 'utf8')
    const fresh = Buffer.alloc(32, 3).toString('base64url')
    writeFileSync(file, `# of July\n${fresh}\n${old}`)
    const sealer = keys()
    assert.ok(readTrace(sealer, 'trace', before))
    writeFileSync(file, `${fresh}\n`)
    assert.ok(readTrace(keys(), 'trace', token(sealer)))
    assert.equal(readTrace(keys(), 'trace', before), undefined)
  })

  it('are not shown when they are wrong', () => {
    keys()
    for (const text of ['', 'short', `${'x'.repeat(43)}!`, `${Buffer.alloc(32, 1).toString('base64url')}\nsecret`]) {
      writeFileSync(file, text)
      assert.throws(keys, (error: Error) => /holds no keys/.test(error.message) && !error.message.includes('secret'))
    }
  })

  it('are a matter of the log when everybody may read them', () => {
    keys()
    chmodSync(file, 0o644)
    keys()
    assert.match(notices.join(), /everybody on this host can read/)
  })
})
