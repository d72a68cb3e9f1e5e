import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { TokenGuard, readToken } from '../../../src/console/token'

describe('token file', () => {
  let dir: string
  let notices: string[]
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-token-'))
    notices = []
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const read = (file: string) => readToken(file, (notice) => notices.push(notice))

  it('is made for its owner alone, and read again as it is', () => {
    const file = path.join(dir, 'data/http-token')
    const token = read(file)
    assert.match(token, /^[\w-]{32}$/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(read(file), token)
    assert.equal(readFileSync(file, 'utf8'), token + '\n')
    assert.deepEqual(notices, [])
  })

  it('is told when everybody may read it, and not when a group may', () => {
    const file = path.join(dir, 'token')
    writeFileSync(file, 'correct-horse-battery\n')
    chmodSync(file, 0o640)
    read(file)
    assert.deepEqual(notices, [])
    chmodSync(file, 0o644)
    read(file)
    assert.match(notices[0] ?? '', /^http: everybody on this host can read .*; chmod o-r .*token$/)
  })

  it('may hold a token of the operator, in its first line', () => {
    const file = path.join(dir, 'token')
    writeFileSync(file, ' correct-horse-battery \nanything\n')
    assert.equal(read(file), 'correct-horse-battery')
  })

  it('is refused when it holds none', () => {
    const file = path.join(dir, 'token')
    for (const text of ['', '\n', 'short', 'fifteen-letters', 'two words are not one token', 'ümlaut-ümlaut-ümlaut']) {
      writeFileSync(file, text)
      assert.throws(() => read(file), /holds no token: one line of at least 16/)
    }
    assert.throws(() => read(dir), /EISDIR/)
  })
})

describe('token guard', () => {
  const TOKEN = 'correct-horse-battery'
  const bearer = (token: string) => `Bearer ${token}`

  it('knows the token, and nothing else', () => {
    const guard = new TokenGuard(TOKEN)
    assert.equal(guard.check(bearer(TOKEN), 0), 'ok')
    assert.equal(guard.check(`bearer ${TOKEN}`, 0), 'ok')
    const wrong = [undefined, '', TOKEN, `Basic ${TOKEN}`, bearer(''), bearer(TOKEN + 'x'), bearer(TOKEN.slice(1))]
    for (const header of [...wrong, bearer(TOKEN.toUpperCase()), bearer(`${TOKEN} x`)]) {
      assert.equal(guard.check(header, 0), 'wrong', header)
    }
  })

  it('lets who guesses wait, and never who knows', () => {
    const guard = new TokenGuard(TOKEN)
    for (let guess = 0; guess < 20; guess++) assert.equal(guard.check(bearer('guess'), 0), 'wrong')
    assert.equal(guard.check(bearer('guess'), 59_999), 'later')
    assert.equal(guard.check(bearer(TOKEN), 59_999), 'ok')
    assert.equal(guard.check(bearer('guess'), 60_000), 'wrong')
  })
})
