import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { ServerProcess, freePort, isOpen } from '../support/server-process'
import { SmtpClient } from '../support/smtp-client'

const ROOT = path.resolve(__dirname, '../..')
const run = promisify(execFile)

describe('npm start', function () {
  this.timeout(90_000)
  let dir: string
  let port: number
  let httpPort: number
  let server: ServerProcess | undefined

  /** This repository's own config, on ports that nobody uses. */
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-start-'))
    ;[port, httpPort] = [await freePort(), await freePort()]
    cpSync(path.join(ROOT, 'config'), path.join(dir, 'config'), { recursive: true })
    edit('smtp.ini', 'listen=127.0.0.1:2525', `listen=127.0.0.1:${port}`)
    edit('sluice.yaml', 'listen: 127.0.0.1:8787', `listen: 127.0.0.1:${httpPort}`)
  })
  afterEach(async () => {
    await server?.end('SIGKILL')
    server = undefined
    rmSync(dir, { recursive: true, force: true })
  })

  function edit(name: string, from: string, to: string): void {
    const file = path.join(dir, 'config', name)
    const text = readFileSync(file, 'utf8')
    assert.ok(text.includes(from), `${name} holds no ${from}`)
    writeFileSync(file, text.replace(from, to))
  }

  async function start(): Promise<ServerProcess> {
    server = new ServerProcess(process.execPath, [path.join(ROOT, 'scripts/start.js'), dir], { cwd: tmpdir() })
    await server.waitFor(/istening on 127/, 60_000)
    return server
  }

  async function greeting(): Promise<string> {
    const client = await SmtpClient.connect(port)
    const { text } = await client.reply()
    await client.quit()
    return text
  }

  const sluice = (...args: string[]) => run(process.execPath, [path.join(ROOT, 'bin/sluice.js'), ...args], { cwd: dir })

  it('says where things are, keeps local mail as a file, and ends with 0 on SIGINT', async () => {
    const { output } = await start()
    for (const line of [
      `  SMTP       127.0.0.1:${port}`,
      `  HTTP       http://127.0.0.1:${httpPort}/`,
      `  mail       ${path.join(dir, 'data/mail')}`,
      `  queue      ${path.join(dir, 'queue')}`,
      `  store      ${path.join(dir, 'data/sluice')}`,
      `  decisions  ${path.join(dir, 'data/decisions')}`,
      '  mode       shadow',
      `  npx sluice send --smtp 127.0.0.1:${port} --to you@sluice.test`,
    ]) {
      assert.ok(output.includes(line), `no "${line}" in\n${output}`)
    }
    assert.match(await greeting(), /^220 mail\.sluice\.test ESMTP/)

    const sent = await sluice('send', '--subject', 'One to keep')
    assert.match(sent.stdout, /^1: 250 /)
    const [kept] = readdirSync(path.join(dir, 'data/mail/sluice.test/you'))
    assert.match(readFileSync(path.join(dir, 'data/mail/sluice.test/you', kept!), 'utf8'), /^Subject: One to keep$/m)
    const health = await fetch(`http://127.0.0.1:${httpPort}/healthz`)
    assert.equal(health.status, 200)

    assert.equal(await server!.end('SIGINT'), 0)
    assert.equal(await isOpen(port), false)
  })

  it("puts relayed mail into Haraka's outbound queue", async () => {
    // Delivery is off, so that the message stays where it was put; its timers would hold up the end.
    edit('outbound.ini', 'disabled=false', 'disabled=true')
    edit('smtp.ini', 'force_shutdown_timeout=10', 'force_shutdown_timeout=1')
    await start()
    await sluice('send', '--to', 'somebody@elsewhere.example')
    assert.equal(readdirSync(path.join(dir, 'queue')).length, 1)
    assert.equal(await server!.end('SIGTERM'), 0)
  })

  it('runs a master with workers, and ends them all', async () => {
    edit('smtp.ini', 'nodes=0', 'nodes=2')
    await start()
    await server!.waitFor(/worker 2 listening/, 20_000)
    assert.match(await greeting(), /^220 /)
    assert.equal(await server!.end('SIGTERM'), 0)
    assert.equal(await isOpen(port), false)
  })

  it('says in one line that the port is taken', async () => {
    await start()
    const second = new ServerProcess(process.execPath, [path.join(ROOT, 'scripts/start.js'), dir])
    await assert.rejects(
      second.waitFor(/never/, 30_000),
      /ended with 1:\nsluice: cannot listen on 127\.0\.0\.1:\d+: it is/,
    )
    assert.equal(await server!.end('SIGINT'), 0)
  })
})
