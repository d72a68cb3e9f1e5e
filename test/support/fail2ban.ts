import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const INTEGRATION = path.resolve(__dirname, '../../integrations/fail2ban')
const DEBIANS = '/etc/fail2ban'

/** Debian's fail2ban with our filters, jails and action, in a directory of its own; the system's is not touched. */
export class Fail2ban {
  private child: ChildProcess | undefined
  private said = ''

  private constructor(readonly dir: string) {}

  /** @param local text of jail.d/sluice.local, as an operator writes it */
  static prepare(local: string): Fail2ban {
    if (!existsSync(DEBIANS)) throw new Error('fail2ban is missing: apt-get install fail2ban')
    const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-fail2ban-'))
    cpSync(DEBIANS, dir, { recursive: true })
    // Debian switches a jail for sshd on, which is none of our business.
    for (const name of readdirSync(path.join(dir, 'jail.d'))) rmSync(path.join(dir, 'jail.d', name))
    for (const part of ['filter.d', 'action.d', 'jail.d']) {
      cpSync(path.join(INTEGRATION, part), path.join(dir, part), { recursive: true })
    }
    writeFileSync(path.join(dir, 'jail.d/sluice.local'), local)
    writeFileSync(
      path.join(dir, 'fail2ban.local'),
      `[Definition]\ndbfile = ${dir}/bans.sqlite3\nlogtarget = ${dir}/fail2ban.log\nsocket = ${dir}/socket\npidfile = ${dir}/pid\n`,
    )
    return new Fail2ban(dir)
  }

  /** Addresses that a filter finds in a log, in order. */
  async find(filter: string, log: string): Promise<string[]> {
    const args = ['-c', this.dir, '-o', 'id', log, filter]
    const { stdout } = await run('fail2ban-regex', args, { timeout: 30_000 })
    return stdout.split('\n').filter((line) => line !== '')
  }

  async start(): Promise<void> {
    this.child = spawn('fail2ban-server', ['-c', this.dir, ...this.where, '-f', 'start'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (bytes: Buffer) => (this.said += bytes.toString()))
    }
    await this.waitUntil('it answers', async () => (await this.client('ping')).includes('pong'))
  }

  /** `fail2ban-client`, on this server. Empty when it does not answer. */
  async client(...args: string[]): Promise<string> {
    return run('fail2ban-client', ['-c', this.dir, ...this.where, ...args]).then(
      ({ stdout }) => stdout,
      () => '',
    )
  }

  get log(): string {
    const file = path.join(this.dir, 'fail2ban.log')
    return this.said + (existsSync(file) ? readFileSync(file, 'utf8') : '')
  }

  async waitUntil(what: string, is: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = Date.now() + 20_000
    while (!(await is())) {
      if (this.child && this.child.exitCode !== null) throw new Error(`fail2ban has ended:\n${this.log}`)
      if (Date.now() > deadline) throw new Error(`not so that ${what}:\n${this.log}`)
      await delay(100)
    }
  }

  async remove(): Promise<void> {
    const { child } = this
    if (child && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      await exit
    }
    rmSync(this.dir, { recursive: true, force: true })
  }

  private get where(): string[] {
    return ['-s', `${this.dir}/socket`, '-p', `${this.dir}/pid`]
  }
}
