import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type Health, type HttpOptions, type HttpServer, startHttp } from '../../../src/console/http-server'

const READY: Health = { ready: true, degraded: false, reasons: [] }

describe('http server', () => {
  const servers: HttpServer[] = []
  let notices: string[]

  beforeEach(() => {
    notices = []
  })

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()))
  })

  async function start(options: Partial<HttpOptions> = {}): Promise<HttpServer> {
    const server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      metrics: () => Promise.resolve('sluice_store_up 1\n'),
      health: () => READY,
      onNotice: (notice) => notices.push(notice),
      ...options,
    })
    servers.push(server)
    return server
  }

  const get = ({ port }: HttpServer, path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, init)

  it('serves metrics as Prometheus text', async () => {
    const response = await get(await start(), '/metrics?x=1')
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.equal(await response.text(), 'sluice_store_up 1\n')
    assert.deepEqual(notices, [])
  })

  it('says that it lives, whatever else', async () => {
    const server = await start({ health: () => ({ ready: false, degraded: true, reasons: ['x'] }) })
    const response = await get(server, '/healthz')
    assert.equal(response.status, 200)
    assert.equal(((await response.json()) as { alive: boolean }).alive, true)
  })

  it('says whether it is ready, and why not', async () => {
    let health = READY
    const server = await start({ health: () => health })
    const ready = await get(server, '/readyz')
    assert.equal(ready.status, 200)
    assert.deepEqual(await ready.json(), READY)
    health = { ready: false, degraded: true, reasons: ['the store is not open yet'] }
    const waiting = await get(server, '/readyz')
    assert.equal(waiting.status, 503)
    assert.deepEqual(await waiting.json(), health)
  })

  it('names its pages at the front, and knows no others', async () => {
    const server = await start()
    const front = await (await get(server, '/')).text()
    for (const path of ['/metrics', '/healthz', '/readyz']) assert.ok(front.includes(path))
    for (const path of ['/nope', '/metrics/', '/%6detrics', '//', '/../etc/passwd%00']) {
      assert.equal((await get(server, path)).status, 404, path)
    }
  })

  it('answers HEAD without a body', async () => {
    const response = await get(await start(), '/metrics', { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), '18')
    assert.equal(await response.text(), '')
  })

  it('takes no other method, and reads no body', async () => {
    const server = await start()
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await get(server, '/metrics', { method, body: 'x'.repeat(1000) })
      assert.equal(response.status, 405)
      assert.equal(response.headers.get('allow'), 'GET, HEAD')
      assert.equal(response.headers.get('connection'), 'close')
    }
  })

  it('refuses endless headers and nonsense', async () => {
    const { port } = await start()
    assert.match(
      await dialogue(port, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1.1 431 /,
    )
    assert.match(await dialogue(port, 'EHLO mx.example.com\r\n'), /^HTTP\/1.1 400 /)
  })

  it('says so when figures fail, and serves the others', async () => {
    const server = await start({ metrics: () => Promise.reject(new Error('no figures')) })
    const response = await get(server, '/metrics')
    assert.equal(response.status, 500)
    assert.equal(await response.text(), 'no figures\n')
    assert.equal((await get(server, '/readyz')).status, 200)
  })

  it('scrapes once for all who ask at the same time', async () => {
    let scrapes = 0
    const metrics = () => {
      scrapes++
      return new Promise<string>((resolve) => setImmediate(resolve, `scrape ${scrapes}\n`))
    }
    const { port } = await start({ metrics })
    const ask = (last: string) => `GET /metrics HTTP/1.1\r\nHost: x\r\n${last}\r\n`
    // Both requests of one packet are there before the first is answered.
    const answers = await dialogue(port, ask('') + ask('Connection: close\r\n'))
    assert.equal(answers.match(/scrape 1/g)?.length, 2)
    assert.match(await dialogue(port, ask('Connection: close\r\n')), /scrape 2/)
  })

  it('serves a bounded number of clients at a time', async () => {
    const { port } = await start()
    const sockets = Array.from({ length: 64 }, () => connect(port, '127.0.0.1'))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    assert.equal(await dialogue(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), '')
    for (const socket of sockets) socket.destroy()
  })

  it('goes on without a port that is in use, says how to mend it, and takes it when it is free', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const { port } = blocker.address() as AddressInfo
    let tell = () => {}
    const listening = new Promise<void>((resolve) => (tell = resolve))
    const onNotice = (notice: string) => {
      notices.push(notice)
      if (notices.length === 2) tell()
    }
    const server = await start({ port, retryMs: 10, onNotice })
    assert.equal(server.listening, false)
    assert.deepEqual(notices, [
      `http: cannot listen on 127.0.0.1:${port}: another process has that port (EADDRINUSE); metrics and health are ` +
        'not served, mail goes on. Tried again every 1 s; to mend it, free the port, or set http.listen in ' +
        'sluice.yaml to another HOST:PORT or to false',
    ])
    blocker.close()
    await listening
    assert.equal(notices[1], `http: listening on 127.0.0.1:${port} after all`)
    assert.equal((await get(server, '/healthz')).status, 200)
  })

  it('stops trying when it is closed', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const { port } = blocker.address() as AddressInfo
    const server = await start({ port, retryMs: 1 })
    await Promise.all([server.close(), server.close()])
    blocker.close()
    await once(blocker, 'close')
    // Whoever comes now finds it free.
    const after = createServer().listen(port, '127.0.0.1')
    await once(after, 'listening')
    after.close()
    assert.equal(server.listening, false)
  })

  it('tells an address that this host does not have', async () => {
    await start({ host: '192.0.2.1' })
    assert.match(notices[0]!, /^http: cannot listen on 192\.0\.2\.1:0: this host has no such address \(EADDRNOTAVAIL\)/)
  })

  it('ends open requests when it is closed', async () => {
    const server = await start({ metrics: () => new Promise(() => {}) })
    const { sent, body } = send(server.port, '/metrics')
    await sent
    await server.close()
    await assert.rejects(body)
  })
})

/** A GET whose sending can be waited for. */
function send(port: number, path: string): { sent: Promise<unknown>; body: Promise<string> } {
  const asked = request({ host: '127.0.0.1', port, path, agent: false })
  const body = new Promise<string>((resolve, reject) => {
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text))
    })
  })
  body.catch(() => undefined)
  const sent = once(asked, 'finish')
  asked.end()
  return { sent, body }
}

/** What comes back for raw text until the other side ends. */
async function dialogue(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk) => (answer += chunk.toString()))
  socket.on('error', () => undefined)
  socket.write(text)
  await new Promise((resolve) => socket.on('close', resolve))
  return answer
}
