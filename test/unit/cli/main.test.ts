import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isLoopback, parseEndpoint, whyNotListen } from '../../../src/cli/endpoint'
import { readIni } from '../../../src/cli/haraka-directory'
import { program } from '../../../src/cli/main'
import { humanTime, table } from '../../../src/cli/terminal'
import manifest from '../../../package.json'
import { sluice } from './command'

describe('sluice', () => {
  it('tells its version and its commands', async () => {
    assert.deepEqual(await sluice('--version'), { code: 0, stdout: `${manifest.version}\n`, stderr: '' })
    const { code, stdout } = await sluice('--help')
    assert.equal(code, 0)
    for (const name of ['init', 'run', 'send', 'config', 'doctor', 'why', 'limits', 'store']) {
      assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'))
    }
  })

  it('has examples in the help of every command', async () => {
    for (const command of program().commands) {
      const { code, stdout } = await sluice(command.name(), '--help')
      assert.equal(code, 0, command.name())
      assert.match(stdout, /^Examples:\n( {2}.*\n)* {2}sluice /m, command.name())
    }
  })

  for (const args of [
    [],
    ['nonsense'],
    ['init'],
    ['limits'],
    ['store', 'ping', '--nonsense'],
    ['send', '--count', 'x'],
  ]) {
    it(`exits with 2 on wrong usage: sluice ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await sluice(...args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.notEqual(stderr, '')
    })
  }

  it('says what is wrong without a stack', async () => {
    const { code, stderr } = await sluice('run', '/nonexistent/place')
    assert.equal(code, 1)
    assert.match(stderr, /^sluice: \/nonexistent\/place is no Haraka directory.*\n$/)
  })

  describe('run', () => {
    let dir: string
    beforeEach(async () => {
      dir = mkdtempSync(path.join(tmpdir(), 'sluice-run-'))
      await sluice('init', dir, '--force')
    })
    afterEach(() => rmSync(dir, { recursive: true, force: true }))

    it('does not start on a mistake in the configuration', async () => {
      writeFileSync(path.join(dir, 'config/sluice.yaml'), 'mode: enforced\n')
      const { code, stderr } = await sluice('run', dir)
      assert.equal(code, 1)
      assert.match(stderr, /^sluice: the configuration cannot be used:\n {2}config\/sluice\.yaml:1:7 mode: .*\n$/)
    })

    it('says which port is taken and where to change it', async () => {
      const taken = createServer()
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
      const { port } = taken.address() as { port: number }
      writeFileSync(path.join(dir, 'config/smtp.ini'), `listen=127.0.0.1:${port}\n`)
      const { code, stderr } = await sluice('run', dir)
      taken.close()
      assert.equal(code, 1)
      assert.equal(
        stderr,
        `sluice: cannot listen on 127.0.0.1:${port}: it is taken by another program; ` +
          'stop what listens there, or change listen= in config/smtp.ini\n',
      )
    })
  })
})

describe('endpoints', () => {
  it('reads HOST:PORT', () => {
    assert.deepEqual(parseEndpoint('127.0.0.1:25'), { host: '127.0.0.1', port: 25 })
    assert.deepEqual(parseEndpoint('[::1]:2525'), { host: '::1', port: 2525 })
    assert.deepEqual(parseEndpoint('mail.example.com:587'), { host: 'mail.example.com', port: 587 })
    for (const text of ['25', ':25', 'host:0', 'host:65536', '::1:25', 'a b:25']) {
      assert.equal(parseEndpoint(text), undefined, text)
    }
  })

  it('knows loopback', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1']) assert.ok(isLoopback(host))
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com']) assert.ok(!isLoopback(host), host)
  })

  it('says why one cannot listen', async () => {
    assert.equal(await whyNotListen({ host: '192.0.2.1', port: 2525 }), 'EADDRNOTAVAIL')
  })
})

describe('Haraka ini files', () => {
  it('are read as Haraka reads them', () => {
    const ini = readIni('; c\nlisten = a:1, b:2\n[x]\nhosts[] = 1\nhosts[] = 2\n#k=v\nempty=\n[main]\nlast=1\n')
    assert.deepEqual(ini.get('main')?.get('listen'), ['a:1, b:2'])
    assert.deepEqual(ini.get('main')?.get('last'), ['1'])
    assert.deepEqual(ini.get('x')?.get('hosts'), ['1', '2'])
    assert.deepEqual(ini.get('x')?.get('empty'), [''])
    assert.equal(ini.get('x')?.has('k'), false)
  })
})

describe('output', () => {
  it('lines columns up', () => {
    assert.deepEqual(
      table([
        ['A', 'LONG', 'X'],
        ['aaa', 'b', 'c'],
      ]),
      ['A    LONG  X', 'aaa  b     c'],
    )
  })

  it('says times as people do', () => {
    assert.deepEqual([250, 1500, 90_000, 3_600_000, 86_400_000].map(humanTime), [
      '250 ms',
      '1.5 s',
      '1.5 min',
      '1 h',
      '1 d',
    ])
  })
})
