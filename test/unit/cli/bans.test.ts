import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { entryOf } from '../../../src/gates/jail/ban-entry'
import { openStore } from '../../../src/store/open-store'
import { banOn } from '../gates/jail/fixtures'
import { type Ran, sluice } from './command'

const HOUR = 3_600_000

describe('sluice ban, unban, bans', () => {
  let dir: string
  beforeEach(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-bans-'))
    mkdirSync(path.join(dir, 'config'))
    configure('mode: enforce')
    await withStore(async () => undefined)
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  function configure(jail: string): void {
    writeFileSync(
      path.join(dir, 'config/sluice.yaml'),
      `store: lmdb:data/sluice\ntrusted: ['203.0.113.0/24']\njail: {${jail}, never: ['198.51.100.7']}\n`,
    )
  }

  async function withStore(work: (store: ReturnType<typeof openStore>) => Promise<unknown>): Promise<void> {
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
    await work(store)
    await store.close()
  }

  const run = (...args: string[]): Promise<Ran> => sluice(...args, '--dir', dir)
  const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout) as unknown
  const targets = async () => ((await json('bans')) as { target: string }[]).map(({ target }) => target)

  it('bans, lists and lifts', async () => {
    const banned = await run('ban', '192.0.2.7', '--for', '2h', '--reason', 'floods\nus')
    assert.equal(banned.code, 0)
    assert.match(banned.stdout, /^banned 192\.0\.2\.7 until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n$/)
    assert.match(banned.stderr, /To undo: sluice unban 192\.0\.2\.7/)
    assert.match(
      (await run('bans')).stdout,
      /^WHO +ENDS IN +ORIGIN +WHY\n192\.0\.2\.7 +(2 h|1(\.\d)? h|119.*min) +operator +floods us\n$/,
    )
    assert.deepEqual(await run('unban', '192.0.2.7'), { code: 0, stdout: 'unbanned 192.0.2.7\n', stderr: '' })
    assert.deepEqual(await run('bans'), { code: 0, stdout: '', stderr: 'Nobody is banned.\n' })
    assert.deepEqual(await json('bans'), [])
  })

  it('bans the /64 of an IPv6 address, says so, and finds and lifts it by any address there', async () => {
    const banned = await run('ban', '2001:db8:6:1::3')
    assert.match(banned.stdout, /^banned 2001:db8:6:1::\/64 until /)
    assert.match(banned.stderr, /All of 2001:db8:6:1::\/64, .* one customer/)
    assert.equal((await run('bans', 'export')).stdout, '2001:db8:6:1::/64\n')
    const lifted = await run('unban', '2001:db8:6:1::4')
    assert.deepEqual([lifted.code, lifted.stdout], [0, 'unbanned 2001:db8:6:1::/64\n'])
    assert.deepEqual(await targets(), [])
    assert.doesNotMatch((await run('ban', '2001:db8:6:1::/64')).stderr, /customer/)
  })

  it('prints JSON for machines', async () => {
    const made = (await json('ban', 'account:Ann', '--origin', 'script')) as Record<string, unknown>
    assert.deepEqual([made.dryRun, made.target, made.kind, made.origin], [false, 'account:ann', 'account', 'script'])
    assert.deepEqual(await json('unban', 'account:ann'), { dryRun: false, target: 'account:ann', found: true })
    const again = await run('unban', 'account:ann', '--json')
    assert.deepEqual(
      [again.code, JSON.parse(again.stdout), again.stderr],
      [1, { dryRun: false, target: 'account:ann', found: false }, 'sluice: account:ann is not banned\n'],
    )
  })

  it('changes nothing with --dry-run, and knows another spelling', async () => {
    assert.match((await run('ban', '2001:DB8::7/48', '--dry-run')).stdout, /^would ban 2001:db8::\/48 until /)
    assert.deepEqual(await targets(), [])
    await run('ban', '2001:db8::/48')
    assert.deepEqual(await run('unban', '2001:DB8:0::/48', '--dry-run'), {
      code: 0,
      stdout: 'would unban 2001:db8::/48\n',
      stderr: '',
    })
    assert.deepEqual(await targets(), ['2001:db8::/48'])
    assert.equal((await run('unban', '2001:db8::7', '--dry-run')).code, 1)
  })

  it('says with 1 that it cannot be, and with 2 that it was typed wrong', async () => {
    for (const [args, said] of [
      [['ban', '203.0.113.5'], /203\.0\.113\.5 is a trusted network, which is never banned/],
      [['ban', '198.51.100.7'], /listed in jail\.never/],
      [['ban', '10.0.0.1', '--dry-run'], /private address/],
      [['ban', 'x'], /nobody that can be banned/],
      [['ban', '192.0.2.7', '--origin', 'jail'], /Sluice's own/],
      [['unban', '192.0.2.7'], /192\.0\.2\.7 is not banned \(a ban of its network is another: sluice bans\)/],
      [['unban', 'nobody'], /nobody that can be banned/],
    ] as const) {
      const ran = await run(...args)
      assert.deepEqual([ran.code, ran.stdout], [1, ''], args.join(' '))
      assert.match(ran.stderr, said)
    }
    for (const args of [
      ['ban'],
      ['ban', '192.0.2.7', '--for', 'soon'],
      ['ban', '192.0.2.7', '--for', '0s'],
      ['ban', '192.0.2.7', '--for', '400d'],
      ['unban'],
    ]) {
      assert.equal((await run(...args)).code, 2, args.join(' '))
    }
    assert.deepEqual(await targets(), [])
  })

  it('says when nobody would be refused', async () => {
    configure('mode: off')
    const ran = await run('ban', '192.0.2.7')
    assert.equal(ran.code, 0)
    assert.match(ran.stderr, /^jail\.mode is off in config\/sluice\.yaml: nobody is refused/)
  })

  it('lists those of one origin', async () => {
    await run('ban', '192.0.2.7')
    await run('ban', '192.0.2.8', '--origin', 'script')
    assert.deepEqual(
      ((await json('bans', '--origin', 'script')) as { target: string }[]).map(({ target }) => target),
      ['192.0.2.8'],
    )
  })

  it('exports networks for a firewall, from the directory that is named', async () => {
    for (const who of ['192.0.2.7', '2001:db8::/48', 'account:ann']) await run('ban', who)
    assert.equal((await run('bans', 'export')).stdout.split('\n').sort().join(' '), ' 192.0.2.7 2001:db8::/48')
    const { stdout } = await run('bans', 'export', '--nft', '--table', 'mail')
    assert.match(stdout, /^table inet mail\n/)
    assert.match(stdout, / 203\.0\.113\.0\/24,\n/)
    assert.equal((await run('bans', 'export', '--table', 'a b')).code, 2)
  })

  it('exports as JSON too, wherever that is said', async () => {
    for (const who of ['192.0.2.7', 'account:ann']) await run('ban', who)
    for (const args of [
      ['bans', '--json', 'export'],
      ['bans', 'export', '--json'],
    ]) {
      const bans = JSON.parse((await run(...args)).stdout) as { target: string }[]
      assert.deepEqual(
        bans.map(({ target }) => target),
        ['192.0.2.7'],
      )
    }
    const both = await run('bans', 'export', '--json', '--nft')
    assert.deepEqual([both.code, both.stdout], [2, ''])
  })

  it('exports nothing that only shadow has banned', async () => {
    await run('ban', '192.0.2.7')
    const until = Date.now() + HOUR
    await withStore((store) => store.post([entryOf(banOn('192.0.2.8', { origin: 'jail', since: Date.now(), until }))]))
    const exported = async (jail: string) => {
      configure(jail)
      return (await run('bans', 'export')).stdout.split('\n').filter(Boolean).sort()
    }
    assert.deepEqual(await exported('mode: enforce'), ['192.0.2.7', '192.0.2.8'])
    for (const mode of ['shadow', '{canary: 50%}']) assert.deepEqual(await exported(`mode: ${mode}`), ['192.0.2.7'])
    assert.deepEqual(await exported('mode: off'), [])
  })
})
