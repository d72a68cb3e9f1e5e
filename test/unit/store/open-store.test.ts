import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { openStore, parseStoreSpec } from '../../../src/store/open-store'
import { StoreError } from '../../../src/store/store'

const hooks = { onChange: () => {}, onNotice: () => {} }

describe('parseStoreSpec', () => {
  const cases: [string, object][] = [
    ['memory', { kind: 'memory' }],
    ['lmdb:/var/lib/sluice', { kind: 'lmdb', path: '/var/lib/sluice' }],
    ['redis://host/1', { kind: 'redis', url: 'redis://host/1' }],
    ['rediss://host', { kind: 'redis', url: 'rediss://host' }],
    ['redis+cluster://a,b', { kind: 'redis', url: 'redis+cluster://a,b' }],
    ['unix:/run/redis.sock', { kind: 'redis', url: 'unix:/run/redis.sock' }],
  ]
  for (const [text, spec] of cases) it(`reads ${text}`, () => assert.deepEqual(parseStoreSpec(text), spec))

  for (const text of ['', 'lmdb:', 'Memory', 'http://secret@host', 'redis']) {
    it(`refuses "${text}", and says what to write`, () => {
      assert.throws(
        () => parseStoreSpec(text),
        (error: unknown) => {
          assert.ok(error instanceof StoreError && error.code === 'STORE_UNUSABLE')
          assert.match(error.message, /Write .*lmdb:/)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    })
  }
})

describe('openStore', () => {
  it('makes the store of the spec', async () => {
    const store = openStore({ kind: 'memory', maxKeys: 10 }, hooks)
    assert.equal(store.kind, 'memory')
    assert.equal(openStore({ kind: 'lmdb', path: '/nowhere' }, hooks).kind, 'lmdb')
  })

  it('refuses a Redis URL that cannot be used, before anything is opened', () => {
    assert.throws(() => openStore({ kind: 'redis', url: 'redis://a,b' }, hooks), { code: 'STORE_UNUSABLE' })
  })

  it('loads no driver that is not used', () => {
    const program = `
      const { openStore } = require('./src/store/open-store')
      openStore({ kind: 'memory' }, {})
      const drivers = Object.keys(require.cache).filter((file) => /node_modules.(ioredis|lmdb)/.test(file))
      if (drivers.length > 0) throw new Error(drivers.join())`
    const root = join(__dirname, '../../..')
    const run = spawnSync(process.execPath, ['--import', 'tsx', '-e', program], { cwd: root, encoding: 'utf8' })
    assert.equal(run.status, 0, run.stderr)
  })
})
