import assert from 'node:assert/strict'
import { type Command, CommanderError } from 'commander'
import { configCommand } from '../../../src/cli/config'
import { CliError } from '../../../src/cli/terminal'
import { TestDirectory } from '../config/fixtures'

interface Ran {
  readonly out: string
  readonly err: string
  readonly exitCode: number
}

/** Runs the command in this process; what it writes is caught, as is a wrong use. */
async function run(...args: string[]): Promise<Ran> {
  const written = { out: '', err: '' }
  const { stdout, stderr } = process
  const [toOut, toErr] = [stdout.write.bind(stdout), stderr.write.bind(stderr)]
  stdout.write = (text: string | Uint8Array) => ((written.out += String(text)), true)
  stderr.write = (text: string | Uint8Array) => ((written.err += String(text)), true)
  try {
    await overrideExit(configCommand()).parseAsync(args, { from: 'user' })
    return { ...written, exitCode: Number(process.exitCode ?? 0) }
  } catch (error) {
    if (error instanceof CliError) return { ...written, err: error.message, exitCode: error.exitCode }
    if (error instanceof CommanderError) return { ...written, exitCode: error.exitCode === 0 ? 0 : 2 }
    throw error
  } finally {
    stdout.write = toOut
    stderr.write = toErr
    process.exitCode = undefined
  }
}

function overrideExit(command: Command): Command {
  command.exitOverride()
  for (const child of command.commands) overrideExit(child)
  return command
}

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
    const { out, err, exitCode } = await run('check', directoryWith(good))
    assert.equal(exitCode, 0)
    assert.equal(out, '')
    assert.match(err, /^config\/sluice\.yaml is fine: mode enforce, 8 limits, \d+ map entries\.$/m)
    const none = await run('check', directoryWith())
    assert.match(none.err, /^There is no config\/sluice\.yaml, so the defaults hold: mode shadow, 8 limits/)
  })

  it('check: prints each mistake on a line of stdout and exits 1', async () => {
    const { out, err, exitCode } = await run('check', directoryWith(bad))
    assert.equal(exitCode, 1)
    assert.deepEqual(out.split('\n'), [
      'config/sluice.yaml:1:7 mode: "enforced" is no mode: write off, shadow, {canary: 10%} or enforce',
      'config/sluice.yaml:2:1 stroe: unknown key, did you mean "store"?',
      '',
    ])
    assert.equal(err, '2 problems found.\n')
  })

  it('check --json: the same for programs', async () => {
    const fine = await run('check', '--json', directoryWith(good))
    assert.equal((JSON.parse(fine.out) as { ok: boolean }).ok, true)
    const wrong = await run('check', '--json', directoryWith(bad))
    assert.equal(wrong.exitCode, 1)
    const { ok, problems } = JSON.parse(wrong.out) as { ok: boolean; problems: { line: number; path: string }[] }
    assert.equal(ok, false)
    assert.deepEqual(
      problems.map(({ line, path }) => [line, path]),
      [
        [1, 'mode'],
        [2, 'stroe'],
      ],
    )
  })

  it('show: prints what holds and who says so, without secrets', async () => {
    for (const format of [[], ['--json']]) {
      const { out, exitCode } = await run('show', directoryWith(good), ...format)
      assert.equal(exitCode, 0)
      assert.match(out, /config\/sluice\.yaml:1/)
      assert.doesNotMatch(out, /hunter2/)
    }
    const wrong = await run('show', directoryWith(bad))
    assert.equal(wrong.exitCode, 1)
    assert.match(wrong.out, /did you mean "store"/)
  })

  it('schema: prints JSON', async () => {
    for (const args of [['schema'], ['schema', '--json']]) {
      const { out, exitCode } = await run(...args)
      assert.equal(exitCode, 0)
      assert.equal((JSON.parse(out) as { title: string }).title, 'Sluice')
    }
  })

  it('tells wrong use from a wrong configuration', async () => {
    assert.equal((await run('check', '/nowhere/at/all')).exitCode, 2)
    assert.equal((await run('chekc')).exitCode, 2)
    assert.equal((await run('check', '--jsn')).exitCode, 2)
    assert.equal((await run('check', 'a', 'b')).exitCode, 2)
  })

  it('has examples in its help', async () => {
    const { out, exitCode } = await run('check', '--help')
    assert.equal(exitCode, 0)
    assert.match(out, /Examples:\n {2}sluice config check/)
  })
})
