import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { sluice as runSluice } from '../unit/cli/command'
import { openStore } from '../../src/store/open-store'
import { entryOf } from '../../src/gates/jail/ban-entry'
import { banOn } from '../unit/gates/jail/fixtures'

const HOUR = 3_600_000

describe('nftables, end to end', function () {
  this.timeout(60_000)
  let dir: string
  before(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-nft-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(
      path.join(dir, 'config/sluice.yaml'),
      "store: lmdb:data/sluice\ntrusted: ['198.51.100.0/24', '2001:db8:7::/48']\njail: {never: ['198.51.100.7', '203.0.113.9']}\n",
    )
    const store = openStore(
      { kind: 'lmdb', path: path.join(dir, 'data/sluice') },
      { onChange: () => undefined, onNotice: () => undefined },
    )
    await store.open()
    const until = Date.now() + HOUR
    const texts = ['192.0.2.7', '192.0.2.0/24', '203.0.113.0/24', '2001:db8::/32', '2001:db8:6:1::/64', 'account:ann']
    await store.post(texts.map((text) => entryOf(banOn(text, { since: Date.now(), until }))))
    await store.post([entryOf(banOn('192.0.9.9', { origin: 'jail', since: Date.now(), until }))])
    await store.close()
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  /** Runs nft in a network of its own, so that nothing happens to this host's. */
  function nft(script: string) {
    return spawnSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' })
  }

  it('loads what is exported, again and again, and bans nobody who must not be', async () => {
    const { code, stdout } = await runSluice('bans', 'export', '--nft', '--dir', dir)
    assert.equal(code, 0)
    const file = path.join(dir, 'bans.nft')
    writeFileSync(file, stdout)
    const checked = nft(`nft -c -f '${file}'`)
    assert.deepEqual([checked.status, checked.stderr], [0, ''])
    const loaded = nft(`nft -f '${file}' && nft -f '${file}' && nft list table inet sluice`)
    assert.deepEqual([loaded.status, loaded.stderr], [0, ''])
    const listed = loaded.stdout.replaceAll(/\s+/g, ' ')
    assert.match(
      listed,
      /set banned4 \{.* 192\.0\.2\.0\/24 timeout 1h expires 59m\d+s\d*m?s?, 203\.0\.113\.0\/24 timeout/,
    )
    assert.match(listed, /set banned6 \{.* 2001:db8::\/32 timeout/)
    assert.match(listed, /set never4 \{.*198\.51\.100\.0\/24.*203\.0\.113\.9/)
    assert.match(listed, /ip saddr @never4 return ip6 saddr @never6 return ip saddr @banned4 tcp dport/)
    assert.doesNotMatch(listed, /192\.0\.9\.9|192\.0\.2\.7|account/)
  })

  it('loads when there is nobody to ban', async () => {
    const { stdout } = await runSluice('bans', 'export', '--nft', '--table', 'other', '--dir', dir)
    const file = path.join(dir, 'none.nft')
    writeFileSync(file, stdout.replaceAll(/elements = \{[^}]*\}/g, ''))
    const loaded = nft(`nft -f '${file}' && nft list table inet other`)
    assert.deepEqual([loaded.status, loaded.stderr], [0, ''])
  })
})
