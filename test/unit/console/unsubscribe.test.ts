import assert from 'node:assert/strict'
import { type HttpServer, startHttp } from '../../../src/console/http-server'
import { UnsubscribeDoor } from '../../../src/console/unsubscribe'

describe('links to unsubscribe', () => {
  let server: HttpServer
  let used: string[]
  let fails: boolean

  before(async () => {
    server = await startHttp({
      ...{ host: '127.0.0.1', port: 0, metrics: async () => '', onNotice: () => undefined },
      health: () => ({ ready: true, degraded: false, reasons: [] }),
      unsubscribe: new UnsubscribeDoor({
        knows: (token) => token === 'good',
        use: async (token) => {
          if (fails) throw new Error('no worker')
          used.push(token)
          return true
        },
      }),
    })
  })
  beforeEach(() => {
    used = []
    fails = false
  })
  after(() => server.close())

  const ask = (token: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${server.port}/unsubscribe/${token}`, init)
  const post = (body: string | URLSearchParams | FormData, token = 'good') => ask(token, { method: 'POST', body })
  const oneClick = () => new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })

  it('show a page with a button, and nothing happens', async () => {
    const response = await ask('good')
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.match(response.headers.get('content-security-policy')!, /^default-src 'none'/)
    assert.match(await response.text(), /<form method="post">.*name="List-Unsubscribe" value="One-Click"/)
    assert.equal((await ask('good', { method: 'HEAD' })).status, 200)
    assert.deepEqual(used, [])
  })

  it('are used by a form of either kind, with or without a query', async () => {
    const form = new FormData()
    form.set('List-Unsubscribe', 'One-Click')
    for (const response of [await post(oneClick()), await post(form), await post(oneClick(), 'good?utm_source=x')]) {
      assert.equal(response.status, 200)
      assert.match(await response.text(), /You are unsubscribed/)
    }
    assert.deepEqual(used, ['good', 'good', 'good'])
  })

  it('are not used by anything else', async () => {
    const other = new FormData()
    other.set('List-Unsubscribe', 'Two-Clicks')
    for (const body of ['', 'List-Unsubscribe', new URLSearchParams({ a: 'b' }), other]) {
      assert.equal((await post(body)).status, 400)
    }
    assert.equal((await ask('good', { method: 'PUT', body: 'x' })).status, 405)
    assert.equal((await post('x'.repeat(5000))).status, 413)
    assert.deepEqual(used, [])
  })

  it('that are none of ours say so, and no more', async () => {
    for (const token of ['bad', '', 'good/x', '%00', '<script>']) {
      const response = await post(oneClick(), token)
      assert.equal(response.status, 404, token)
      assert.ok(!(await response.text()).includes('<script>'))
    }
  })

  it('can be tried again when nobody could do it', async () => {
    fails = true
    assert.equal((await post(oneClick())).status, 503)
  })

  it('are not there where nobody serves them', async () => {
    const bare = await startHttp({
      ...{ host: '127.0.0.1', port: 0, metrics: async () => '', onNotice: () => undefined },
      health: () => ({ ready: true, degraded: false, reasons: [] }),
    })
    assert.equal((await fetch(`http://127.0.0.1:${bare.port}/unsubscribe/good`)).status, 404)
    await bare.close()
  })
})
