import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readChoice } from '../../../src/cli/init/choice'
import { harakaFiles } from '../../../src/cli/init/haraka-files'
import { setYaml } from '../../../src/cli/init/set-yaml'
import { CliError } from '../../../src/cli/terminal'
import { loadPolicy } from '../../../src/config/load'
import { readResponse } from '../../../src/feedback/read-response'
import { parseIp } from '../../../src/keys/address'
import { sluice } from './command'

const DEFAULTS = {
  smtp: '127.0.0.1:2525',
  http: '127.0.0.1:8787',
  store: 'lmdb:data/sluice',
  domain: 'sluice.test',
  trusted: '127.0.0.0/8,::1',
  mode: 'shadow',
  nodes: '0',
}

describe('sluice init', () => {
  let home: string
  let dir: string
  const text = (name: string) => readFileSync(path.join(dir, name), 'utf8')

  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'sluice-init-'))
    dir = path.join(home, 'mail')
  })
  afterEach(() => rmSync(home, { recursive: true, force: true }))

  it('makes a directory that holds what was asked for', async () => {
    const { code, stderr } = await sluice(
      ...['init', dir, '--smtp', '0.0.0.0:25', '--http', '[::1]:9000', '--store', 'redis://127.0.0.1:6379/2'],
      ...['--domain', 'Example.COM', '--trusted', '10.0.0.0/8,2001:db8::1', '--mode', 'enforce', '--nodes', '2'],
    )
    assert.equal(code, 0, stderr)
    assert.match(text('config/smtp.ini'), /^listen=0\.0\.0\.0:25$/m)
    assert.match(text('config/smtp.ini'), /^nodes=2$/m)
    assert.equal(text('config/me'), 'mail.example.com\n')
    assert.match(text('config/host_list'), /^#.*\nexample\.com\nlocalhost\n$/)
    assert.match(text('config/relay_acl_allow'), /\n10\.0\.0\.0\/8\n2001:db8::1\/128\n$/)
    const loaded = loadPolicy(dir)
    assert.ok('policy' in loaded, JSON.stringify(loaded))
    const { config, trusted } = loaded.policy
    assert.deepEqual(
      [config.mode, config.store, config.http.listen],
      [{ kind: 'enforce' }, 'redis://127.0.0.1:6379/2', '[::1]:9000'],
    )
    assert.equal(trusted.find(parseIp('10.1.2.3')!), true)
    assert.equal(trusted.find(parseIp('127.0.0.1')!), undefined)
  })

  it('keeps the comments of the shipped sluice.yaml', async () => {
    await sluice('init', dir, '--mode', 'enforce')
    const comments = (yaml: string) => yaml.split('\n').filter((line) => line.startsWith('#'))
    assert.deepEqual(comments(text('config/sluice.yaml')), comments(readFileSync('config/sluice.yaml', 'utf8')))
  })

  it('leaves the figures of providers to the release, and room for own ones', async () => {
    await sluice('init', dir)
    const loaded = loadPolicy(dir)
    assert.ok('egress' in loaded, 'what stands there is valid')
    assert.ok(loaded.egress.providers.has('google'))
    assert.equal(text('config/sluice/providers.yaml').replace(/^#.*$/gm, '').trim(), '')
    const uncommented = text('config/sluice/providers.yaml').replace(/^#(?=\S| {2})/gm, '')
    writeFileSync(path.join(dir, 'config/sluice/providers.yaml'), uncommented)
    const own = loadPolicy(dir)
    assert.ok('egress' in own, JSON.stringify(own))
    assert.equal(own.egress.providers.get('google')?.layer.figures.connections, 3)
  })

  it('leaves the rules for answers to the release, and room for own ones', async () => {
    await sluice('init', dir)
    const own = path.join(dir, 'config/sluice/responses.yaml')
    const answer = readResponse('421 4.7.28 Slow down, your IP address sends too much', {
      provider: 'google',
      phase: undefined,
    })
    const ruleFor = () => {
      const loaded = loadPolicy(dir)
      assert.ok('responses' in loaded, JSON.stringify(loaded))
      return loaded.responses.classify(answer).rule?.name
    }
    assert.equal(text('config/sluice/responses.yaml').replace(/^#.*$/gm, '').trim(), '')
    assert.notEqual(ruleFor(), 'example_slow_down')
    writeFileSync(own, text('config/sluice/responses.yaml').replace(/^#(?=\S| {2})/gm, ''))
    assert.equal(ruleFor(), 'example_slow_down')
  })

  it('lets nobody relay and trusts nobody with --trusted none', async () => {
    await sluice('init', dir, '--trusted', 'none', '--http', 'none')
    assert.deepEqual(
      text('config/relay_acl_allow')
        .split('\n')
        .filter((line) => !line.startsWith('#')),
      [''],
    )
    const loaded = loadPolicy(dir)
    assert.ok('policy' in loaded)
    assert.equal(loaded.policy.trusted.empty, true)
    assert.equal(loaded.policy.config.http.listen, false)
  })

  it('makes a key of its own for each directory, for the owner only', async () => {
    await sluice('init', dir)
    const first = text('config/internalcmd_key')
    assert.match(first, /^[0-9a-f]{64}$/)
    assert.equal(statSync(path.join(dir, 'config/internalcmd_key')).mode & 0o777, 0o600)
    dir = path.join(home, 'other')
    await sluice('init', dir)
    assert.notEqual(text('config/internalcmd_key'), first)
  })

  it('hides a password from other users of the host, and shows it nowhere', async () => {
    const { stdout, stderr } = await sluice('init', dir, '--store', 'redis://u:s3cret@127.0.0.1:6379/0')
    assert.doesNotMatch(stdout + stderr, /s3cret/)
    assert.match(text('config/sluice.yaml'), /s3cret/)
    assert.equal(statSync(path.join(dir, 'config/sluice.yaml')).mode & 0o777, 0o600)
    const misplaced = await sluice('init', path.join(home, 'b'), '--smtp', 'redis://u:s3cret@127.0.0.1')
    assert.equal(misplaced.code, 2)
    assert.doesNotMatch(misplaced.stderr, /s3cret/)
  })

  it('refuses one place for two servers', async () => {
    const { code, stderr } = await sluice('init', dir, '--smtp', '127.0.0.1:2600', '--http', '127.0.0.1:2600')
    assert.equal(code, 2)
    assert.match(stderr, /--http 127\.0\.0\.1:2600 is where --smtp listens/)
  })

  it('prints commands that can be pasted', async () => {
    const { stderr } = await sluice('init', path.join(home, "a user's mail"))
    assert.match(stderr, /npx sluice run '.*a user'\\''s mail'/)
  })

  it('writes a package.json from which npm can install a Haraka', async () => {
    await sluice('init', dir)
    assert.deepEqual(JSON.parse(text('package.json')), {
      private: true,
      dependencies: { haraka: '^3.3.4' },
      overrides: { libmime: '5.4.3' },
    })
  })

  it('writes nothing with --dry-run', async () => {
    const { code, stdout } = await sluice('init', dir, '--dry-run')
    assert.equal(code, 0)
    assert.match(stdout, /^would write config\/smtp\.ini$/m)
    assert.equal(existsSync(dir), false)
  })

  it('refuses a folder that is not empty, and a file', async () => {
    mkdirSync(dir)
    writeFileSync(path.join(dir, 'notes'), '')
    const { code, stderr } = await sluice('init', dir)
    assert.equal(code, 1)
    assert.match(stderr, /is not empty: choose another folder, or add --force/)
    assert.deepEqual(readdirSync(dir), ['notes'])
    assert.equal((await sluice('init', path.join(dir, 'notes'))).code, 1)
  })

  it('loses no file of the operator with --force', async () => {
    mkdirSync(path.join(dir, 'config'), { recursive: true })
    writeFileSync(path.join(dir, 'config/me'), 'mx.mine.example\n')
    writeFileSync(path.join(dir, 'config/me.old'), 'older\n')
    writeFileSync(path.join(dir, 'config/internalcmd_key'), 'mine')
    writeFileSync(path.join(dir, 'package.json'), '{"name":"mine","dependencies":{"haraka":"3.3.1","x":"1"}}')
    const { code, stdout } = await sluice('init', dir, '--force')
    assert.equal(code, 0)
    assert.match(stdout, /^replace config\/me \(the old one: config\/me\.old1\)$/m)
    assert.equal(text('config/me.old1'), 'mx.mine.example\n')
    assert.equal(text('config/me.old'), 'older\n')
    assert.equal(text('config/internalcmd_key'), 'mine')
    assert.deepEqual(JSON.parse(text('package.json')), {
      name: 'mine',
      dependencies: { haraka: '3.3.1', x: '1' },
      overrides: { libmime: '5.4.3' },
    })
    const again = await sluice('init', dir, '--force')
    assert.doesNotMatch(again.stdout, /write|replace/)
  })

  for (const [option, value] of [
    ['smtp', '2525'],
    ['smtp', 'localhost:99999'],
    ['http', 'none:'],
    ['store', 'mysql://x'],
    ['domain', 'a b'],
    ['trusted', '10.0.0.0/33'],
    ['nodes', '-1'],
  ] as const) {
    it(`refuses --${option} ${value} and names the option`, () => {
      assert.throws(
        () => readChoice({ ...DEFAULTS, [option]: value }),
        (error) => error instanceof CliError && error.exitCode === 2 && error.message.startsWith(`--${option}`),
      )
    })
  }

  it('ships every file of config/, and nothing secret', () => {
    const files = [...harakaFiles(readChoice(DEFAULTS)).keys()]
    for (const name of ['smtp.ini', 'connection.ini', 'plugins', 'me', 'host_list', 'sluice.yaml', 'relay.ini']) {
      assert.ok(files.includes(path.join('config', name)), name)
    }
  })
})

describe('setYaml', () => {
  it('leaves everything but the value as it is', () => {
    const yaml = '# top\nmode:   shadow   # why\nhttp:\n  # where\n  listen: 127.0.0.1:8787 # here\nlast: 1\n'
    assert.equal(setYaml(yaml, ['mode'], 'enforce'), yaml.replace('shadow', 'enforce'))
    assert.equal(setYaml(yaml, ['http', 'listen'], false), yaml.replace('127.0.0.1:8787', 'false'))
  })

  it('writes lists as they were written', () => {
    assert.equal(setYaml("a: [x, '::1'] # c\n", ['a'], ['::1/128', 'b']), "a: ['::1/128', b] # c\n")
    assert.equal(setYaml('a:\n  - x\n  - y\n# c\nb: 1\n', ['a'], ['p', 'q']), 'a:\n  - p\n  - q\n# c\nb: 1\n')
    assert.equal(setYaml('a:\n  - x\nb: 1\n', ['a'], []), 'a:\n  []\nb: 1\n')
  })

  it('leaves a value that is there already, whatever its style', () => {
    const yaml = 'a:\n  - x # mine\n'
    assert.equal(setYaml(yaml, ['a'], ['x']), yaml)
  })

  it('adds a key that is not there', () => {
    assert.equal(
      setYaml('# only this\na: 1\n', ['http', 'listen'], false),
      '# only this\na: 1\nhttp:\n  listen: false\n',
    )
  })
})
