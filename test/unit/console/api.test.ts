import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type ApiCall, ApiDoor, type ApiReply } from '../../../src/console/api'
import { type HttpServer, startHttp } from '../../../src/console/http-server'
import { StoreError } from '../../../src/store/store'

const TOKEN = 'correct-horse-battery'

describe('the door of the API', () => {
  let server: HttpServer
  let calls: ApiCall[]
  let reply: () => Promise<ApiReply>

  beforeEach(async () => {
    calls = []
    reply = async () => ({ status: 201, body: { done: true } })
    const api = new ApiDoor(TOKEN, (call) => {
      calls.push(call)
      return reply()
    })
    server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      metrics: async () => '',
      health: () => ({ ready: true, degraded: false, reasons: [] }),
      api,
      onNotice: () => undefined,
    })
  })
  afterEach(() => server.close())

  async function call(path: string, init: RequestInit = {}, token: string | undefined = TOKEN) {
    const headers = { ...(token && { authorization: `Bearer ${token}` }) }
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers, ...init })
    return [response.status, (await response.json()) as { error?: string }] as const
  }

  it('lets through who has the token, with what was asked', async () => {
    const body = '{"target":"192.0.2.0/24"}'
    assert.deepEqual(await call('/api/bans/192.0.2.0%2F24?origin=a%20b', { method: 'POST', body }), [
      201,
      { done: true },
    ])
    const [{ method, path, query, body: read }] = calls as [ApiCall]
    assert.deepEqual(
      [method, path, query.get('origin'), read],
      ['POST', 'bans/192.0.2.0/24', 'a b', { target: '192.0.2.0/24' }],
    )
    await call('/api/bans')
    assert.deepEqual(calls[1]!.body, {})
  })

  it('lets nobody else in, and says which file the token is in', async () => {
    for (const token of ['', 'wrong']) {
      const [status, { error }] = await call('/api/bans', { method: 'POST', body: '{' }, token)
      assert.equal(status, 401)
      assert.match(error!, /http\.token_file/)
    }
    assert.deepEqual(calls, [])
  })

  it('makes who guesses wait', async () => {
    for (let guess = 0; guess < 20; guess++) await call('/api/bans', {}, 'guess')
    assert.equal((await call('/api/bans', {}, 'guess'))[0], 429)
    assert.equal((await call('/api/bans'))[0], 201)
  })

  it('wants a JSON object', async () => {
    for (const body of ['{', '[]', 'null', '7', '"x"', '\0']) {
      const [status, { error }] = await call('/api/bans', { method: 'POST', body })
      assert.equal(status, 400, body)
      assert.match(error!, /one JSON object/)
    }
    assert.equal((await call('/api/%ff'))[0], 400)
    assert.deepEqual(calls, [])
  })

  it('reads no more than it has to, and says so', async () => {
    const most = JSON.stringify({ x: 'y'.repeat(16 * 1024 - 8) })
    assert.equal((await call('/api/bans', { method: 'POST', body: most }))[0], 201)
    assert.equal((await call('/api/bans', { method: 'POST', body: most + ' ' }))[0], 413)
    // A body without an end, sent in pieces.
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined)
    let heard = ''
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString()))
    const head = `POST /api/bans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n`
    socket.write(head)
    const pour = setInterval(() => socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`), 1)
    await once(socket, 'close')
    clearInterval(pour)
    assert.match(heard, /^HTTP\/1\.1 413 /)
    assert.equal(calls.length, 1)
  })

  it('says when the store is away, and goes on', async () => {
    reply = () => Promise.reject(new StoreError('STORE_UNREACHABLE', 'Redis is away'))
    assert.deepEqual(await call('/api/bans'), [503, { error: 'Redis is away' }])
  })

  it('is not there without a token', async () => {
    const bare = await startHttp({
      host: '127.0.0.1',
      port: 0,
      metrics: async () => '',
      health: () => ({ ready: true, degraded: false, reasons: [] }),
      onNotice: () => undefined,
    })
    assert.equal((await fetch(`http://127.0.0.1:${bare.port}/api/bans`)).status, 404)
    await bare.close()
  })
})
