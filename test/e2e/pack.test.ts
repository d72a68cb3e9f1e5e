import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { ServerProcess, freePort, isOpen } from '../support/server-process'
import { SmtpClient } from '../support/smtp-client'

const ROOT = path.resolve(__dirname, '../..')
const run = promisify(execFile)

/** What was installed here is in npm's cache; only what is not asks the registry. */
const ENV = { ...process.env, npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' }

describe('the packed suite', function () {
  this.timeout(240_000)
  let project: string
  let port: number
  let server: ServerProcess | undefined

  const npm = (args: readonly string[], cwd = project) => run('npm', args, { cwd, env: ENV })
  const npx = (...args: readonly string[]) => run('npx', ['--no-install', ...args], { cwd: project, env: ENV })

  before(async () => {
    project = mkdtempSync(path.join(tmpdir(), 'sluice-pack-'))
    await npm(['pack', '--pack-destination', project], ROOT)
    const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))!
    writeFileSync(path.join(project, 'package.json'), '{"private":true}')
    await npm(['install', '--omit=dev', `./${tarball}`])
    port = await freePort()
  })
  afterEach(async () => {
    await server?.end('SIGKILL')
    server = undefined
  })
  after(() => rmSync(project, { recursive: true, force: true }))

  async function greeting(): Promise<string> {
    const client = await SmtpClient.connect(port)
    const { text } = await client.reply()
    await client.quit()
    return text
  }

  it('brings what an installed user needs, and no sources', () => {
    const installed = path.join(project, 'node_modules/haraka-plugin-sluice')
    for (const name of ['bin/sluice.js', 'config/plugins', 'config/sluice.yaml', 'dist/src/cli/main.js']) {
      assert.ok(existsSync(path.join(installed, name)), name)
    }
    for (const plugin of readdirSync(path.join(installed, 'plugins'))) {
      assert.ok(existsSync(path.join(installed, 'dist/plugins', plugin, 'index.js')), plugin)
    }
    for (const name of ['src', 'test', 'node_modules', 'data', 'queue', 'config/internalcmd_key']) {
      assert.equal(existsSync(path.join(installed, name)), false, name)
    }
  })

  it('makes a directory, installs Haraka for it, runs, and leaves nobody behind', async () => {
    const ports = ['--smtp', `127.0.0.1:${port}`, '--http', `127.0.0.1:${await freePort()}`]
    const { stdout } = await npx('sluice', 'init', 'mail', ...ports)
    assert.match(stdout, /^write config\/sluice\.yaml$/m)

    // A terminal sends its Ctrl-C to the whole group: npx, its shell and the server.
    server = new ServerProcess('npx', ['--no-install', 'sluice', 'run', 'mail'], {
      cwd: project,
      env: ENV,
      group: true,
    })
    await server.waitFor(/istening on 127/, 150_000)
    assert.match(server.output, /No Haraka found: installing one into .*mail/)
    assert.ok(existsSync(path.join(project, 'mail/node_modules/haraka/haraka.js')))
    assert.ok(lstatSync(path.join(project, 'mail/node_modules/haraka-plugin-sluice')).isSymbolicLink())
    assert.match(await greeting(), /^220 mail\.sluice\.test ESMTP/)
    await server.end('SIGINT')
    await assertClosed()
  })

  it('runs what is installed, and ends with 0', async () => {
    const command = path.join(project, 'node_modules/.bin/sluice')
    server = new ServerProcess(command, ['run', 'mail', '--no-install'], { cwd: project, env: ENV })
    await server.waitFor(/istening on 127/, 30_000)
    assert.doesNotMatch(server.output, /installing|Note:/)
    const sent = await npx('sluice', 'send', '--smtp', `127.0.0.1:${port}`)
    assert.match(sent.stdout, /^1: 250 /)
    const doctor = await npx('sluice', 'doctor', 'mail')
    assert.doesNotMatch(doctor.stdout, /^(warn|fail)/m)
    assert.equal(await server.end('SIGINT'), 0)
    await assertClosed()
  })

  it('says what to type when it may not install', async () => {
    mkdirSync(path.join(project, 'bare'))
    await npx('sluice', 'init', 'bare', '--smtp', `127.0.0.1:${port}`, '--http', 'none')
    const failed = (await npx('sluice', 'run', 'bare', '--no-install').catch((error: unknown) => error)) as {
      code?: number
      stderr: string
    }
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /sluice: no Haraka found: type "npm install" in .*bare/)
  })

  /** The shell of npx may be gone a moment before the server is. */
  async function assertClosed(): Promise<void> {
    for (let attempt = 0; attempt < 50 && (await isOpen(port)); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.equal(await isOpen(port), false)
  }
})
