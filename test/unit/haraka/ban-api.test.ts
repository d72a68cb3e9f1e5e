import assert from 'node:assert/strict'
import { BanDesk } from '../../../src/gates/jail/ban-desk'
import { entryOf } from '../../../src/gates/jail/ban-entry'
import { protectionOf } from '../../../src/gates/jail/jail-policy'
import { banApi } from '../../../src/haraka/ban-api'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { EventStream, type TelemetryEvent } from '../../../src/telemetry/events'
import { AT, HOUR, banOn, networks } from '../gates/jail/fixtures'

describe('ban API', () => {
  let store: MemoryStore
  let events: TelemetryEvent[]
  let call: (method: string, path: string, body?: Record<string, unknown>) => Promise<[number, unknown]>

  beforeEach(async () => {
    store = new MemoryStore({ clock: () => AT })
    await store.open()
    events = []
    const stream = new EventStream()
    stream.read((event) => events.push(event))
    const desk = new BanDesk(store, protectionOf(networks(), networks()), () => AT)
    const api = banApi({ atDesk: (work) => work(desk), stream, mode: () => ({ kind: 'shadow' }) })
    call = async (method, where, body = {}) => {
      const [path, query] = where.split('?') as [string, string?]
      const reply = await api({ method, path, query: new URLSearchParams(query), body })
      return [reply.status, reply.body]
    }
  })

  const BAN = { target: '192.0.2.7', seconds: 600, reason: 'ssh', origin: 'fail2ban' }

  it('bans, lists and lifts, and each change is an event', async () => {
    const [status, made] = await call('POST', 'bans', BAN)
    assert.equal(status, 201)
    assert.deepEqual(await call('GET', 'bans'), [200, [made]])
    assert.deepEqual(await call('DELETE', 'bans/192.0.2.7'), [200, { target: '192.0.2.7' }])
    assert.deepEqual(await call('DELETE', 'bans/192.0.2.7'), [404, { error: '192.0.2.7 is not banned' }])
    assert.deepEqual(
      events.map((event) => [event.kind, event.kind === 'ban' && event.mode.kind]),
      [
        ['ban', 'enforce'],
        ['unban', false],
      ],
    )
  })

  it('takes networks with their slash', async () => {
    await call('POST', 'bans', { ...BAN, target: '192.0.2.0/24' })
    assert.deepEqual(await call('DELETE', 'bans/192.0.2.0/24'), [200, { target: '192.0.2.0/24' }])
  })

  it('leaves what another has banned alone when an origin is named', async () => {
    await store.post([entryOf(banOn('192.0.2.7'))])
    const [status, kept] = await call('POST', 'bans', BAN)
    assert.deepEqual([status, (kept as { origin: string }).origin], [200, 'operator'])
    assert.deepEqual(await call('DELETE', 'bans/192.0.2.7?origin=fail2ban'), [
      404,
      { error: '192.0.2.7 is banned by operator, which stays' },
    ])
    assert.deepEqual(events, [])
    assert.equal((await call('DELETE', 'bans/192.0.2.7'))[0], 200)
  })

  it('keeps the longer of two bans that are asked for at once', async () => {
    const answers = await Promise.all([
      call('POST', 'bans', { ...BAN, seconds: 604_800, origin: 'fail2ban-recidive' }),
      call('POST', 'bans', BAN),
    ])
    assert.deepEqual(
      answers.map(([status, ban]) => [status, (ban as { origin: string }).origin]),
      [
        [201, 'fail2ban-recidive'],
        [200, 'fail2ban-recidive'],
      ],
    )
  })

  it('is not put off by what stands in shadow', async () => {
    await store.post([entryOf(banOn('192.0.2.7', { origin: 'jail', until: AT + 9 * HOUR }))])
    assert.equal((await call('POST', 'bans', BAN))[0], 201)
  })

  it('says what is wrong with a request', async () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{}, /target must be a text/],
      [{ ...BAN, target: 7 }, /target must be a text/],
      [{ ...BAN, target: 'x' }, /nobody that can be banned/],
      [{ ...BAN, target: '127.0.0.1' }, /never banned/],
      [{ ...BAN, seconds: '600' }, /seconds must be a number/],
      [{ ...BAN, seconds: -1 }, /nothing stays for ever/],
      [{ ...BAN, seconds: 1e308 }, /nothing stays for ever/],
      [{ ...BAN, reason: 7 }, /must be texts/],
      [{ ...BAN, origin: 'A B' }, /one word/],
      [{ ...BAN, origin: 'jail' }, /Sluice's own/],
      [{ ...BAN, ip: 'x' }, /unknown key "ip"/],
    ]
    for (const [body, problem] of wrong) {
      const [status, said] = await call('POST', 'bans', body)
      assert.equal(status, 400)
      assert.match((said as { error: string }).error, problem)
    }
    assert.equal((await call('DELETE', 'bans/x'))[0], 400)
    assert.equal((await call('DELETE', 'bans/192.0.2.7?who=me'))[0], 400)
    assert.deepEqual(events, [])
  })

  it('has nothing else', async () => {
    for (const path of ['', 'x', 'ban', 'limits/a']) assert.equal((await call('GET', path))[0], 404, path)
    for (const [method, path] of [
      ['PUT', 'bans'],
      ['DELETE', 'bans'],
      ['DELETE', 'bans/'],
      ['GET', 'bans/192.0.2.7'],
      ['POST', 'bans/192.0.2.7'],
    ] as const) {
      assert.equal((await call(method, path))[0], 405, `${method} ${path}`)
    }
  })
})
