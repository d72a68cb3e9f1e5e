import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { LmdbStore } from '../../../src/store/lmdb/lmdb-store'
import { sluice } from './command'

describe('sluice suppress', () => {
  let dir: string

  beforeEach(async () => {
    dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-suppress-'))
    mkdirSync(path.join(dir, 'config'))
    writeFileSync(path.join(dir, 'config/sluice.yaml'), 'suppression: {mode: enforce}\n')
    const store = new LmdbStore({ path: path.join(dir, 'data/sluice') })
    await store.open()
    await store.close()
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  const suppress = (...args: readonly string[]) => sluice('suppress', ...args, '--dir', dir)
  const fileOf = (text: string) => {
    const file = path.join(dir, 'list.csv')
    writeFileSync(file, text)
    return file
  }

  it('adds, checks, lists and removes', async () => {
    const added = await suppress('add', 'Bob@FAR.test', '--reason', 'complaint', '--detail', 'abuse', '--for', '30d')
    assert.deepEqual([added.code, added.stdout.replace(/until .*/, 'until')], [0, 'suppressed bob@far.test until\n'])
    const checked = await suppress('check', 'bob@far.test', '--json')
    const { entry, ...rest } = JSON.parse(checked.stdout) as { entry: Record<string, string> }
    assert.deepEqual([checked.code, rest], [1, { address: 'bob@far.test', suppressed: true }])
    assert.deepEqual([entry.reason, entry.detail, entry.by], ['complaint', 'abuse', 'operator'])
    assert.equal(Math.round((Date.parse(entry.until!) - Date.parse(entry.since!)) / 86_400_000), 30)
    assert.match((await suppress('list')).stdout, /bob@far\.test +everybody +complaint +30 d +operator +abuse\n/)
    assert.equal((await suppress('check', 'eve@far.test')).code, 0)
    assert.equal((await suppress('remove', 'bob@far.test')).code, 0)
    const again = await suppress('remove', 'bob@far.test')
    assert.deepEqual([again.code, /is not suppressed/.test(again.stderr)], [1, true])
    assert.match((await suppress('list')).stderr, /Nobody is suppressed/)
  })

  it('says of one tenant how to undo it, and how to see it', async () => {
    const { stderr } = await suppress('add', 'bob@far.test', '--tenant', 'acme corp')
    assert.match(stderr, /To undo: sluice suppress remove 'bob@far\.test' --tenant 'acme corp'\n/)
    assert.match((await suppress('add', 'eve@far.test')).stderr, /To undo: sluice suppress remove 'eve@far\.test'\n/)
    const hint = /is it so for one tenant\? add --tenant NAME; sluice suppress list names each/
    const checked = await suppress('check', 'bob@far.test')
    assert.deepEqual([checked.code, checked.stdout], [0, 'bob@far.test is not suppressed for everybody\n'])
    assert.match(checked.stderr, hint)
    const removed = await suppress('remove', 'bob@far.test')
    assert.deepEqual([removed.code, hint.test(removed.stderr)], [1, true])
    assert.doesNotMatch((await suppress('check', 'bob@far.test', '--tenant', 'other')).stderr, hint)
  })

  it('keeps tenants and reasons apart, and gives pages', async () => {
    const rows = Array.from(
      { length: 350 },
      (_, index) => `u${index}@far.test,${index % 7 === 0 ? 'complaint' : 'manual'}`,
    )
    await suppress('import', fileOf(['address,reason', ...rows].join('\n')))
    await suppress('add', 'bob@far.test', '--tenant', 'acme')
    const listed = async (...args: readonly string[]) =>
      JSON.parse((await suppress('list', '--json', ...args)).stdout) as {
        entries: { address: string }[]
        after?: string
      }
    assert.deepEqual(
      (await listed('--tenant', 'acme')).entries.map(({ address }) => address),
      ['bob@far.test'],
    )
    assert.equal((await listed('--reason', 'complaint', '--most', '1000')).entries.length, 50)
    const seen: string[] = []
    for (let after: string | undefined, pages = 0; pages === 0 || after !== undefined; pages++) {
      const page = await listed('--most', '100', ...(after === undefined ? [] : ['--after', after]))
      seen.push(...page.entries.map(({ address }) => address))
      after = page.after
    }
    assert.deepEqual([seen.length, new Set(seen).size], [351, 351])
    assert.match((await suppress('list')).stderr, /There are more: add --after/)
  })

  it('imports what can be read, tells of each other line by its number, and exports what it has', async () => {
    const bad = fileOf(
      'address,reason,detail\na@far.test,complaint,"x, ""y"""\nnobody,manual,\nb@far.test,spite,\n\nc@far.test,,\n',
    )
    const dry = await suppress('import', bad, '--dry-run')
    assert.match(dry.stdout, /^would add 2 addresses/)
    const imported = await suppress('import', bad, '--reason', 'unsubscribe')
    assert.equal(imported.code, 1)
    assert.equal(imported.stdout, 'added 2 addresses\n')
    assert.match(imported.stderr, /^line 3: "nobody" is no mail address$/m)
    assert.match(imported.stderr, /^line 4: "spite" is no reason/m)
    assert.match(imported.stderr, /2 lines could not be read/)
    const { stdout: csv } = await suppress('export', '--csv')
    assert.match(csv, /^address,tenant,reason,detail,since,until,by\na@far\.test,,complaint,"x, ""y""",/)
    for (const address of ['a@far.test', 'c@far.test']) await suppress('remove', address)
    assert.equal((await suppress('import', fileOf(csv))).code, 0)
    assert.equal((await suppress('export', '--csv')).stdout, csv)
    assert.equal((await suppress('export')).stdout, 'a@far.test\nc@far.test\n')
    const json = (await suppress('export', '--json')).stdout.trim().split('\n')
    assert.deepEqual(
      json.map((line) => (JSON.parse(line) as { reason: string }).reason),
      ['complaint', 'unsubscribe'],
    )
  })

  it('takes a line that never ends for one bad line', async () => {
    const { code, stderr, stdout } = await suppress('import', fileOf(`${'x'.repeat(3_000_000)}\nbob@far.test`))
    assert.deepEqual([code, stdout], [1, 'added 1 address\n'])
    assert.match(stderr, /^line 1: longer than 10000 characters$/m)
  })

  it('says what is wrong with what was typed, and that shadow refuses nobody', async () => {
    assert.equal((await suppress('add', 'nobody')).code, 2)
    assert.equal((await suppress('check', 'nobody')).code, 2)
    assert.equal((await suppress('add', 'a@far.test', '--reason', 'spite')).code, 2)
    assert.equal((await suppress('add', 'a@far.test', '--for', 'ever')).code, 2)
    assert.equal((await suppress('export', '--csv', '--json')).code, 2)
    const none = path.join(dir, 'none')
    assert.ok((await suppress('import', none)).stderr.startsWith(`sluice: ${none} cannot be read: ENOENT`))
    assert.ok((await suppress('import', dir)).stderr.startsWith(`sluice: ${dir} cannot be read: EISDIR`))
    writeFileSync(path.join(dir, 'config/sluice.yaml'), '')
    assert.match((await suppress('add', 'a@far.test')).stderr, /suppression\.mode is shadow/)
  })
})
