import assert from 'node:assert/strict'
import { TestDirectory } from '../config/fixtures'
import { sluice } from './command'

describe('sluice config', () => {
  const good = 'mode: enforce\nstore: redis://:hunter2@localhost/0\n'
  const bad = 'mode: enforced\nstroe: redis://:hunter2@localhost\n'
  const directories: TestDirectory[] = []
  afterEach(() => directories.splice(0).forEach((directory) => directory.remove()))

  function directoryWith(yaml?: string): string {
    const directory = new TestDirectory(yaml)
    directories.push(directory)
    return directory.path
  }

  it('check: says that all is well, on stderr', async () => {
    const { stdout, stderr, code } = await sluice('config', 'check', directoryWith(good))
    assert.equal(code, 0)
    assert.equal(stdout, '')
    assert.match(stderr, /^config\/sluice\.yaml is fine: mode enforce, 10 limits, \d+ map entries\.$/m)
    const none = await sluice('config', 'check', directoryWith())
    assert.match(none.stderr, /^There is no config\/sluice\.yaml, so the defaults hold: mode shadow, 10 limits/)
  })

  it('check: prints each mistake on a line of stdout and exits 1', async () => {
    const { stdout, stderr, code } = await sluice('config', 'check', directoryWith(bad))
    assert.equal(code, 1)
    assert.deepEqual(stdout.split('\n'), [
      'config/sluice.yaml:1:7 mode: "enforced" is no mode: write off, shadow, {canary: 10%} or enforce',
      'config/sluice.yaml:2:1 stroe: unknown key, did you mean "store"?',
      '',
    ])
    assert.equal(stderr, '2 problems found.\n')
  })

  it('check --json: the same for programs', async () => {
    const fine = await sluice('config', 'check', '--json', directoryWith(good))
    assert.equal((JSON.parse(fine.stdout) as { ok: boolean }).ok, true)
    const wrong = await sluice('config', 'check', '--json', directoryWith(bad))
    assert.equal(wrong.code, 1)
    const { ok, problems } = JSON.parse(wrong.stdout) as { ok: boolean; problems: { line: number; path: string }[] }
    assert.equal(ok, false)
    assert.deepEqual(
      problems.map(({ line, path }) => [line, path]),
      [
        [1, 'mode'],
        [2, 'stroe'],
      ],
    )
  })

  it('check: shows no secret that stands in the wrong place', async () => {
    const key = 'abcdefghijklmnopqrstuvwxyz'
    const yaml = `zones:\n  - a\n${key}.zen.example: 5\nlimits: {sender: {overrides_file: 'redis://u:hunter2@h/0'}}\n`
    for (const format of [[], ['--json']]) {
      const { stdout, stderr, code } = await sluice('config', 'check', directoryWith(yaml), ...format)
      assert.equal(code, 1)
      assert.match(stdout, /\*\*\*\.zen\.example/)
      assert.doesNotMatch(stdout + stderr, /hunter2|abcdefgh/)
    }
  })

  it('show: prints what holds and who says so, without secrets', async () => {
    for (const format of [[], ['--json']]) {
      const { stdout, code } = await sluice('config', 'show', directoryWith(good), ...format)
      assert.equal(code, 0)
      assert.match(stdout, /config\/sluice\.yaml:1/)
      assert.doesNotMatch(stdout, /hunter2/)
    }
    const wrong = await sluice('config', 'show', directoryWith(bad))
    assert.equal(wrong.code, 1)
    assert.match(wrong.stdout, /did you mean "store"/)
  })

  it('takes the directory as --dir too, as all other commands do', async () => {
    const dir = directoryWith(good)
    for (const what of ['check', 'show']) {
      const { code, stdout, stderr } = await sluice('config', what, '--dir', dir)
      assert.deepEqual({ code, stdout, stderr }, await sluice('config', what, dir))
      assert.equal(code, 0)
      assert.equal((await sluice('config', what, '--dir', dir, dir)).code, 2, 'one of them, not both')
    }
  })

  it('schema: prints JSON', async () => {
    for (const args of [['schema'], ['schema', '--json']]) {
      const { stdout, code } = await sluice('config', ...args)
      assert.equal(code, 0)
      assert.equal((JSON.parse(stdout) as { title: string }).title, 'Sluice')
    }
  })

  it('tells wrong use from a wrong configuration', async () => {
    assert.equal((await sluice('config', 'check', '/nowhere/at/all')).code, 2)
    assert.equal((await sluice('config', 'chekc')).code, 2)
    assert.equal((await sluice('config', 'check', '--jsn')).code, 2)
    assert.equal((await sluice('config', 'check', 'a', 'b')).code, 2)
  })

  it('has examples in its help', async () => {
    const { stdout, code } = await sluice('config', 'check', '--help')
    assert.equal(code, 0)
    assert.match(stdout, /Examples:\n {2}sluice config check/)
  })
})
