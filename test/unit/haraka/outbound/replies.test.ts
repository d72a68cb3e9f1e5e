import assert from 'node:assert/strict'
import { type Reply, ReplyReader } from '../../../../src/haraka/outbound/reply-reader'
import { sessionKey } from '../../../../src/haraka/outbound/session-key'
import { phaseOf } from '../../../../src/haraka/outbound/timeouts'
import { DEMANDS } from './fixtures'

describe('replies of other servers', () => {
  function read(...pieces: (string | Buffer)[]): { replies: Reply[]; reader: ReplyReader; fine: boolean } {
    const replies: Reply[] = []
    const reader = new ReplyReader((reply) => replies.push(reply))
    const fine = pieces.every((piece) => reader.push(Buffer.from(piece)))
    return { replies, reader, fine }
  }

  it('are put together of whatever pieces they come in', () => {
    const text = '250-sink.test\r\n250 8BITMIME\r\n354 go\r\n'
    const expected = [
      { code: 250, lines: ['250-sink.test', '250 8BITMIME'] },
      { code: 354, lines: ['354 go'] },
    ]
    assert.deepEqual(read(text).replies, expected)
    assert.deepEqual(read(...text).replies, expected)
    assert.deepEqual(
      read(
        ...'250 gr\u00fc\u00dfe\r\n'
          .split(/(?<=r)/)
          .flatMap((part) => [...Buffer.from(part)].map((byte) => Buffer.from([byte]))),
      ).replies,
      [{ code: 250, lines: ['250 gr\u00fc\u00dfe'] }],
    )
  })

  it('may be a code alone, or no reply at all', () => {
    assert.deepEqual(read('250\r\nwhat?\n').replies, [
      { code: 250, lines: ['250 '] },
      { code: 0, lines: ['what?'] },
    ])
  })

  it('are not read without end', () => {
    assert.equal(read('250 ', 'x'.repeat(70_000)).fine, false)
    const lines = read(...new Array<string>(3000).fill('250-one more line of very many\r\n'))
    assert.equal(lines.fine, false)
    assert.equal(lines.replies.length, 0)
    assert(read(...new Array<string>(3000).fill('250 a whole reply, many times\r\n')).fine)
  })

  it('show what came too early', () => {
    assert.equal(read('220 go on\r\n').reader.isEmpty, true)
    assert.equal(read('220 go on\r\n250').reader.isEmpty, false)
    assert.equal(read('220 go on\r\n250-half\r\n').reader.isEmpty, false)
  })
})

describe('the key of a session', () => {
  const ANY = DEMANDS
  const mx = { exchange: '192.0.2.1', port: 25, bind_helo: 'mx.near.test' }

  it('is the same for the same', () => {
    assert.equal(sessionKey({ ...mx }, false, ANY), sessionKey(mx, false, ANY))
    assert.equal(sessionKey({ ...mx, using_lmtp: false }, false, ANY), sessionKey(mx, false, ANY))
  })

  it('differs with all that a session depends on', () => {
    const keys = [
      sessionKey(mx, false, ANY),
      sessionKey(mx, true, ANY),
      sessionKey(mx, false, { ...ANY, path: 'egress|default|other' }),
      sessionKey(mx, false, { ...ANY, tls: { ...ANY.tls, minVersion: 'TLSv1.2' } }),
      sessionKey(mx, false, { ...ANY, tls: { ...ANY.tls, minVersion: 'TLSv1.3' } }),
      ...[
        { exchange: '192.0.2.2' },
        { port: 26 },
        { path: '/run/lmtp' },
        { bind: '192.0.2.9' },
        { bind_helo: 'other.near.test' },
        { from_dns: 'mx.far.test' },
        { using_lmtp: true },
        { auth_user: 'ann', auth_pass: 'secret' },
        { auth_user: 'ann', auth_pass: 'other' },
        { auth_user: 'ann', auth_pass: 'other', auth_type: 'LOGIN' },
      ].map((change) => sessionKey({ ...mx, ...change }, false, ANY)),
    ]
    assert.equal(new Set(keys).size, keys.length)
    assert(keys.every((key) => !key.includes('secret')))
  })
})

describe('the phase of a command', () => {
  it('is that of its verb, and the login for all that is said in one', () => {
    assert.equal(phaseOf('EHLO near.test', false), 'hello')
    assert.equal(phaseOf('mail FROM:<>', false), 'mail')
    assert.equal(phaseOf('.', false), 'dot')
    assert.equal(phaseOf('AUTH LOGIN', false), 'auth')
    assert.equal(phaseOf('YW5u', true), 'auth')
    assert.equal(phaseOf('DATA', true), 'auth')
  })
})
