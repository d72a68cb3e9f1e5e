import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { openStore } from '../../../src/store/open-store'
import { type Ran, sluice } from './command'

describe('sluice greylist', () => {
  let dir: string
  beforeEach(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-greylist-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config/sluice.yaml'), 'store: lmdb:data/sluice\n')
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
    await store.close()
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  const run = (...args: string[]): Promise<Ran> => sluice('greylist', ...args, '--dir', dir)
  const allowed = async (who: string) => {
    const { code, stdout } = await run('allow', who, '--json')
    return [code, (JSON.parse(stdout) as { clients: string[] }).clients]
  }

  it('takes networks by the width that greylisting knows them by', async () => {
    assert.deepEqual(await allowed('192.0.2.7'), [0, ['192.0.2.0/24']])
    assert.deepEqual(await allowed('192.0.2.128/25'), [0, ['192.0.2.0/24']])
    assert.deepEqual(await allowed('192.0.2.0/24'), [0, ['192.0.2.0/24']])
    assert.deepEqual(await allowed('2001:db8:5::/64'), [0, ['2001:db8:5::/64']])
    assert.deepEqual(await allowed('2001:db8:5::1'), [0, ['2001:db8:5::/64']])
  })

  for (const wide of ['203.0.112.0/23', '2001:db8:5::/48']) {
    it(`refuses ${wide}, and says where wider networks go`, async () => {
      const { code, stdout, stderr } = await run('allow', wide)
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, /is wider than greylisting tells clients apart, \/24 and \/64: .*greylist\.allow/)
    })
  }

  const NOBODY = [
    '',
    '|',
    '<>',
    '%',
    '\x1b[2J',
    'a'.repeat(400),
    `${'a.'.repeat(200)}example`,
    '@example.com',
    'a b@example.com',
  ]
  for (const nobody of NOBODY) {
    it(`refuses ${JSON.stringify(nobody.slice(0, 20))}, which is nobody`, async () => {
      for (const action of ['allow', 'show', 'forget']) {
        const { code, stdout, stderr } = await run(action, nobody)
        assert.deepEqual([code, stdout], [1, ''])
        assert.match(stderr, /is nobody that greylisting knows: write an address/)
        assert.ok(!stderr.includes('\x1b'), stderr)
      }
    })
  }

  it('shows whom it takes at once, once that was allowed', async () => {
    assert.match((await run('list')).stderr, /Greylisting knows nobody yet/)
    assert.match((await run('show', '192.0.2.7')).stderr, /knows nothing of 192\.0\.2\.7/)
    await run('allow', '192.0.2.7')
    const shown = /^NEW MESSAGES +KEPT FOR +CLIENT\ntaken at once +35 d +192\.0\.2\.0\/24\n$/
    assert.match((await run('list')).stdout, shown)
    assert.match((await run('show', '192.0.2.99')).stdout, shown)
    const { triplets, clients } = JSON.parse((await run('list', '--json')).stdout) as Record<string, unknown[]>
    assert.deepEqual([triplets?.length, clients?.length], [0, 1])
    assert.match((await run('list', '--waiting')).stderr, /Nobody waits/)
    await run('forget', '192.0.2.7')
    assert.match((await run('list')).stderr, /Greylisting knows nobody yet/)
  })

  it('says that a domain is taken only where SPF proves it, and what else there is', async () => {
    const { code, stdout, stderr } = await run('allow', 'Mail.Example.com')
    assert.equal(code, 0)
    assert.match(stdout, /^takes everything that SPF proves to be from example\.com at once, for 35 d/)
    assert.match(stderr, /Without a plugin spf in config\/plugins nothing is proved.*greylist\.allow/)
    assert.match((await run('forget', 'example.com')).stdout, /^forgot greylist_client\|example\.com\n$/)
  })
})
