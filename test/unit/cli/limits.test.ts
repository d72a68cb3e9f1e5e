import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findKeys } from '../../../src/cli/limits/find-keys'
import { keyReader } from '../../../src/cli/limits/read-key'
import { readPolicy } from '../../../src/cli/open'
import type { Policy } from '../../../src/config/compile'
import { keyText } from '../../../src/keys/key'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { openStore } from '../../../src/store/open-store'
import type { Ask, KeyState, Store } from '../../../src/store/store'
import { sluice } from './command'

const MINUTE = 60_000
const HOUR = 3_600_000

const SLUICE_YAML = `
store: lmdb:data/sluice
limits:
  sender:
    count: messages
    per: sender
    limit: [5/min, 30/h]
    overrides: { big@example.com: 50/min, 'free.example': exempt }
  sender_domain: { count: messages, per: sender_domain, limit: 20/min, overrides: { gmail.com: 600/min } }
  pair: { count: messages, per: [sender, recipient], limit: 3/min }
  tenant_bytes: { count: bytes, per: tenant, limit: { rate: 10/s, burst: 50 } }
`

function windowAsk(key: string, cost: number, limits: readonly number[] = [1000, 1000]): Ask {
  const windows = limits.map((limit, index) => ({ limit, windowMs: [MINUTE, HOUR][index]! }))
  return { op: 'window', key, enforced: true, cost, windows }
}

describe('sluice limits', () => {
  let dir: string
  let policy: Policy

  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-limits-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config/sluice.yaml'), SLUICE_YAML.replace('', ''))
    mkdirSync(path.join(dir, 'config/sluice'))
    writeFileSync(path.join(dir, 'config/sluice/large-senders.map'), '# none\n')
    policy = readPolicy(dir)
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  const state = (key: string, counts: KeyState['counts'], op: KeyState['op'] = 'window'): KeyState => ({
    key,
    op,
    counts,
    expiresAt: 0,
  })
  const read = (key: string, counts: KeyState['counts'], op?: KeyState['op']) =>
    keyReader(policy)(state(key, counts, op))

  describe('reading a key', () => {
    it('holds each window against the limit of its rule', () => {
      const { rule, values, usages, used } = read('sender|me@example.com', [
        { windowMs: MINUTE, count: 2 },
        { windowMs: HOUR, count: 27 },
      ])
      assert.equal(rule?.name, 'sender')
      assert.deepEqual(values, ['me@example.com'])
      assert.deepEqual(usages, [
        { windowMs: MINUTE, count: 2, limit: 5 },
        { windowMs: HOUR, count: 27, limit: 30 },
      ])
      assert.equal(used, 0.9)
    })

    it('multiplies the limit of a wider tier', () => {
      const { usages } = read('connection_rate/26|192.0.2.0/26', [{ windowMs: MINUTE, count: 6 }])
      assert.deepEqual(usages, [{ windowMs: MINUTE, count: 6, limit: 60 }])
      assert.equal(read('connection_rate/21|192.0.0.0/21', [{ windowMs: MINUTE, count: 1 }]).usages[0]?.limit, 180)
    })

    it('takes overrides into account', () => {
      const minute = [{ windowMs: MINUTE, count: 10 }]
      assert.equal(read('sender|big@example.com', minute).usages[0]?.limit, 50)
      assert.equal(read('sender_domain|gmail.com', minute).usages[0]?.limit, 600)
      assert.equal(read('sender|me@free.example', minute).usages[0]?.limit, undefined)
    })

    it('knows leases and buckets', () => {
      const leases = read('parallel_sessions|192.0.2.7', [{ windowMs: 0, count: 4 }], 'lease')
      assert.deepEqual(leases.usages, [{ windowMs: 0, count: 4, limit: 10 }])
      const bucket = read('tenant_bytes|acme', [{ windowMs: 5000, count: 25 }], 'rate')
      assert.equal(bucket.used, 0.5)
    })

    it('knows how somebody behaved', () => {
      const merit = { ...state('reputation|192.0.2.7', [{ windowMs: 0, count: 12 }], 'merit'), mean: -0.25 }
      const { mean, used, usages } = keyReader(policy)(merit)
      assert.deepEqual([mean, used, usages], [-0.25, 0, [{ windowMs: 0, count: 12, limit: undefined }]])
      assert.equal('mean' in read('sender|me@example.com', []), false)
    })

    it('unescapes values, and reads keys of rules that are gone', () => {
      const key = keyText('sender', ['"a b"@example.com'])
      assert.deepEqual(read(key, []).values, ['"a b"@example.com'])
      const gone = read('old_rule|x', [{ windowMs: MINUTE, count: 9 }])
      assert.deepEqual([gone.rule, gone.used, gone.usages[0]?.count], [undefined, 0, 9])
    })
  })

  describe('finding keys', () => {
    let store: Store
    const found = async (what: string) => (await findKeys(store, policy, what)).map(({ key }) => key).sort()

    beforeEach(() => {
      store = new MemoryStore()
      const keys = [
        'client|192.0.2.7',
        'connection_rate|192.0.2.7',
        'connection_rate|192.0.2.70',
        'connection_rate/26|192.0.2.0/26',
        'connection_rate/21|192.0.0.0/21',
        'client|2001:db8:1:2::/64',
        'sender|me@example.com',
        'sender|<>|192.0.2.0/24|you@sluice.test',
        'sender_domain|example.com',
        'recipient|you@sluice.test',
        'pair|me@example.com|you@sluice.test',
        'tenant_bytes|acme',
      ]
      for (const key of keys) void store.judge([windowAsk(key, 1)])
    })

    it('by IP address, with the networks that hold it', async () => {
      assert.deepEqual(await found('192.0.2.7'), [
        'client|192.0.2.7',
        'connection_rate/21|192.0.0.0/21',
        'connection_rate/26|192.0.2.0/26',
        'connection_rate|192.0.2.7',
        'sender|<>|192.0.2.0/24|you@sluice.test',
      ])
      assert.deepEqual(await found('2001:db8:1:2::99'), ['client|2001:db8:1:2::/64'])
    })

    it('by mail address as it was written, tags and case aside', async () => {
      assert.deepEqual(await found('Me+list@Example.com'), [
        'pair|me@example.com|you@sluice.test',
        'sender|me@example.com',
      ])
      assert.deepEqual(await found('you@sluice.test'), [
        'pair|me@example.com|you@sluice.test',
        'recipient|you@sluice.test',
        'sender|<>|192.0.2.0/24|you@sluice.test',
      ])
    })

    it('by domain, a host of it too', async () => {
      assert.deepEqual(await found('example.com'), ['sender_domain|example.com'])
      assert.deepEqual(await found('mx1.example.com'), ['sender_domain|example.com'])
    })

    it('by tenant, by key, by the beginning of a key, and for the null sender', async () => {
      assert.deepEqual(await found('acme'), ['tenant_bytes|acme'])
      assert.deepEqual(await found('connection_rate|192.0.2.7'), ['connection_rate|192.0.2.7'])
      assert.deepEqual(await found('pair|me@example.com'), ['pair|me@example.com|you@sluice.test'])
      assert.deepEqual(await found('client|'), ['client|192.0.2.7', 'client|2001:db8:1:2::/64'])
      assert.deepEqual(await found('<>'), ['sender|<>|192.0.2.0/24|you@sluice.test'])
      assert.deepEqual(await found('nobody@example.net'), [])
    })
  })

  describe('on a store of a server', () => {
    before(async () => {
      const hooks = { onChange: () => undefined, onNotice: () => undefined }
      const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
      await store.open()
      await store.judge([
        windowAsk('sender|me@example.com', 4, [5, 30]),
        windowAsk('sender_domain|example.com', 1, [20]),
        { op: 'distinct', key: 'recipients|192.0.2.7', enforced: true, value: 1, limit: 20, windowMs: HOUR },
      ])
      const bounds = { leastSamples: 2, leastMean: 0, halfLifeMs: 0, most: 9, apartMs: 0, keepMs: HOUR }
      for (const sample of [1, 1, -1]) {
        await store.judge([{ op: 'merit', key: 'reputation|192.0.2.7', enforced: false, ...bounds, sample }])
      }
      await store.close()
    })

    it('shows the fullest first, and no more than asked for', async () => {
      const { code, stdout } = await sluice('limits', 'top', '--dir', dir, '--most', '1')
      assert.equal(code, 0)
      assert.deepEqual(stdout.split('\n'), [
        'USED  COUNT  IN     RULE    MODE    KEY',
        '80%   4/5    1 min  sender  shadow  sender|me@example.com',
        '13%   4/30   1 h    sender  shadow  sender|me@example.com',
        '',
      ])
    })

    it('shows how somebody behaved, and how many different values were seen', async () => {
      const show = async (key: string, ...more: string[]) =>
        (await sluice('limits', 'show', key, '--dir', dir, ...more)).stdout
      assert.match(
        await show('reputation|192.0.2.7'),
        /\n- +3, mean 0\.33 +now +\(no rule\) +- +reputation\|192\.0\.2\.7\n/,
      )
      assert.match(await show('recipients|192.0.2.7'), /\n- +1 +1 h +\(no rule\) +- +recipients\|192\.0\.2\.7\n/)
      const [merit] = JSON.parse(await show('reputation|192.0.2.7', '--json')) as [{ mean: number }]
      assert.equal(merit.mean, 0.3333)
      assert.doesNotMatch((await sluice('limits', 'top', '--dir', dir)).stdout, /reputation/)
    })

    it('prints JSON for machines', async () => {
      const { stdout } = await sluice('limits', 'show', 'example.com', '--dir', dir, '--json')
      const [key] = JSON.parse(stdout) as [{ key: string; used: number; windows: unknown; expires: string }]
      assert.equal(key.key, 'sender_domain|example.com')
      assert.equal(key.used, 0.05)
      assert.deepEqual(key.windows, [{ windowMs: MINUTE, count: 1, limit: 20 }])
      assert.ok(Date.parse(key.expires) > Date.now())
    })

    it('forgets only without --dry-run', async () => {
      const tried = await sluice('limits', 'reset', 'me@example.com', '--dir', dir, '--dry-run')
      assert.equal(tried.stdout, 'would forget sender|me@example.com\n')
      const done = await sluice('limits', 'reset', 'me@example.com', '--dir', dir)
      assert.equal(done.stdout, 'forgot sender|me@example.com\n')
      const after = await sluice('limits', 'show', 'me@example.com', '--dir', dir)
      assert.deepEqual([after.code, after.stdout], [0, ''])
      assert.match(after.stderr, /Nothing is counted for me@example\.com/)
    })

    it('pings it', async () => {
      const { code, stdout } = await sluice('store', 'ping', '--dir', dir, '--json')
      assert.equal(code, 0)
      const { kind, keys } = JSON.parse(stdout) as { kind: string; keys: number }
      assert.deepEqual([kind, keys], ['lmdb', 3])
    })

    it('says what is wrong in one line', async () => {
      const empty = path.join(dir, 'empty')
      mkdirSync(path.join(empty, 'config/sluice'), { recursive: true })
      writeFileSync(path.join(empty, 'config/sluice/large-senders.map'), '')
      const missing = await sluice('limits', 'top', '--dir', empty)
      assert.deepEqual([missing.code, missing.stdout], [1, ''])
      assert.match(missing.stderr, /^sluice: no store yet at .*: the server makes it at start\n$/)
      writeFileSync(path.join(empty, 'config/sluice.yaml'), 'store: memory\n')
      assert.match((await sluice('store', 'ping', '--dir', empty)).stderr, /^sluice: the store is memory: /)
      writeFileSync(path.join(empty, 'config/sluice.yaml'), 'mode: on\n')
      assert.match((await sluice('limits', 'top', '--dir', empty)).stderr, /config\/sluice\.yaml:1:7 mode: /)
      assert.equal((await sluice('limits', 'top', '--most', '0')).code, 2)
    })
  })
})
