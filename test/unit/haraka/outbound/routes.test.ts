import assert from 'node:assert/strict'
import type { DnsResolver } from '../../../../src/dns/resolver'
import { Routes, namesOf } from '../../../../src/haraka/outbound/routes'
import type { QueueItem } from '../../../../src/haraka/outbound/queue-item'
import type { Mx } from '../../../../src/haraka/outbound/types'
import { DENY, DENYSOFT, OK } from '../../../../src/haraka/types'
import { FakeItem } from './fake-item'

type Answers = Readonly<Record<string, readonly unknown[] | 'failed'>>

/** What HarakaMx does with text, as far as it matters here. */
const makeMx = (written: unknown): Mx => (typeof written === 'string' ? { exchange: written } : { ...(written as Mx) })

describe('where messages go', () => {
  let asked: QueueItem[]

  function routes(answers: Answers, plugin?: [code: number, mx?: unknown]) {
    asked = []
    const resolve = (name: string, type: string) => {
      const records = answers[`${type} ${name}`]
      if (records === 'failed') return Promise.resolve({ kind: 'failed', reason: 'timeout' })
      return Promise.resolve(records ? { kind: 'found', records, ttlMs: 1 } : { kind: 'absent', ttlMs: 1 })
    }
    const runHooks = (hook: string, target: object, domain: unknown) => {
      assert.deepEqual([hook, domain], ['get_mx', 'far.test'])
      asked.push(target as QueueItem)
      const [code, mx] = plugin ?? [0]
      setImmediate(() => (target as QueueItem).get_mx_respond(code, mx))
    }
    return new Routes({ resolve } as unknown as DnsResolver, runHooks, makeMx)
  }
  const find = (answers: Answers, plugin?: [code: number, mx?: unknown]) =>
    routes(answers, plugin).find(new FakeItem().item, 'far.test')

  describe('by the word of a plugin', () => {
    it('is one host, or several, of text or objects', async () => {
      assert.deepEqual(await find({}, [OK, 'mx.far.test']), { kind: 'fixed', mx: [{ exchange: 'mx.far.test' }] })
      const several = [{ exchange: '192.0.2.1', port: 587 }, 'mx2.far.test']
      const route = await find({}, [OK, several])
      assert.deepEqual(route, { kind: 'fixed', mx: [several[0], { exchange: 'mx2.far.test' }] })
      assert.ok(route.kind === 'fixed' && route.mx[0] !== several[0], 'what it holds is not changed')
    })

    it('is nowhere, for good or for now, with what it says', async () => {
      const said = await find({}, [DENY, 'Not to them.'])
      assert.deepEqual(said, { kind: 'nowhere', isFinal: true, status: '5.1.2', why: 'Not to them.' })
      for (const mx of [undefined, '', { exchange: 'x' }]) {
        const why = 'This server sends no mail to far.test.'
        assert.deepEqual(await find({}, [DENYSOFT, mx]), { kind: 'nowhere', isFinal: false, status: '4.4.4', why })
      }
    })

    it('is asked of something that has all the message has, without changing it', async () => {
      const fake = new FakeItem()
      const hooks = fake.hooks_to_run
      await routes({}, [OK, 'mx.far.test']).find(fake.item, 'far.test')
      assert.equal(asked[0]!.todo, fake.todo)
      asked[0]!.hooks_to_run = ['other']
      assert.equal(fake.hooks_to_run, hooks)
      assert.deepEqual(fake.calls, [])
    })
  })

  describe('by DNS', () => {
    it('is its MX hosts, the most preferred first', async () => {
      const records = [
        { exchange: 'B.far.test', priority: 20 },
        { exchange: 'a.far.test.', priority: 10 },
      ]
      assert.deepEqual(await find({ 'MX far.test': records }), {
        kind: 'hosts',
        hosts: [
          { host: 'a.far.test', preference: 10 },
          { host: 'b.far.test', preference: 20 },
        ],
      })
    })

    it('is the domain itself, or nothing, or not known', async () => {
      assert.deepEqual(await find({ 'A far.test': ['192.0.2.1'] }), {
        kind: 'hosts',
        hosts: [{ host: 'far.test', preference: 0 }],
      })
      assert.deepEqual(await find({ 'MX far.test': [{ exchange: '', priority: 0 }] }), {
        ...{ kind: 'nowhere', isFinal: true, status: '5.1.10' },
        why: 'far.test takes no mail: it has a null MX (RFC 7505).',
      })
      assert.deepEqual(await find({}), {
        ...{ kind: 'nowhere', isFinal: true, status: '5.1.2' },
        why: 'far.test takes no mail: it has neither MX records nor an address.',
      })
      assert.deepEqual(await find({ 'MX far.test': 'failed' }), {
        ...{ kind: 'nowhere', isFinal: false, status: '4.4.3' },
        why: 'DNS does not say where mail to far.test goes (timeout).',
      })
    })
  })

  describe('in addresses', () => {
    const host = (name: string, preference = 10) => ({ host: name, preference })

    it('are those of preferred hosts first, of a host IPv6 first, each under its name', async () => {
      const found = await routes({
        'A a.test': ['192.0.2.1', '192.0.2.2'],
        'AAAA a.test': ['2001:db8::1'],
        'A b.test': ['192.0.2.9'],
      }).addressesOf([host('b.test', 5), host('a.test', 1), host('none.test', 0)])
      assert.deepEqual(found, [
        { exchange: '2001:db8::1', from_dns: 'a.test', priority: 0 },
        { exchange: '192.0.2.1', from_dns: 'a.test', priority: 0 },
        { exchange: '192.0.2.2', from_dns: 'a.test', priority: 0 },
        { exchange: '192.0.2.9', from_dns: 'b.test', priority: 0 },
      ])
    })

    it('are shuffled among hosts that are alike, by lot', async () => {
      const answers = Object.fromEntries(['a', 'b', 'c'].map((name) => [`A ${name}.test`, [`192.0.2.${name}`]]))
      const order = async (...lots: number[]) => {
        const hosts = ['a', 'b', 'c'].map((name) => host(`${name}.test`))
        const found = await routes(answers).addressesOf(hosts, () => lots.shift()!)
        return found.map(({ from_dns: name }) => name![0]).join('')
      }
      assert.equal(await order(0.1, 0.2, 0.3), 'abc')
      assert.equal(await order(0.9, 0.2, 0.3), 'bca')
      assert.equal(await order(0.5, 0.9, 0.1), 'cab')
    })

    it('are not more than one attempt can try, and none when DNS does not say', async () => {
      const many = Array.from({ length: 50 }, (_, index) => `192.0.2.${index}`)
      assert.equal((await routes({ 'A a.test': many }).addressesOf([host('a.test')])).length, 32)
      assert.deepEqual(
        await routes({ 'A a.test': 'failed', 'AAAA a.test': 'failed' }).addressesOf([host('a.test')]),
        [],
      )
    })
  })

  it('have names by which the provider is known', () => {
    const hosts = [{ host: 'a.test', preference: 1 }]
    assert.deepEqual(namesOf({ kind: 'hosts', hosts }, 'far.test'), ['a.test'])
    const mx = [{ exchange: '192.0.2.1', from_dns: 'mx.test' }, { exchange: '192.0.2.2' }, { path: '/run/lmtp' }, {}]
    assert.deepEqual(namesOf({ kind: 'fixed', mx }, 'far.test'), ['mx.test', '192.0.2.2', '/run/lmtp', 'far.test'])
    assert.deepEqual(namesOf({ kind: 'fixed', mx: [] }, 'far.test'), ['far.test'])
  })
})
