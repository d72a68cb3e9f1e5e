import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './redis-server'

const ROOT = path.resolve(__dirname, '../..')

export interface HarakaOptions {
  /** Lines of config/plugins. */
  readonly plugins?: readonly string[]
  /** Text of config/sluice.yaml. */
  readonly sluice: string
  /** More files of config/, by name. */
  readonly files?: Readonly<Record<string, string>>
  readonly nodes?: number
  /** Sessions that are open at the end may finish. */
  readonly graceful?: boolean
  readonly logLevel?: string
  /** Arguments for Node itself, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[]
  /** The test is about a config that is refused. Otherwise that ends the start: nothing after it would mean anything. */
  readonly refusedConfig?: boolean
  /** The log says nothing of listening, as at level error: wait for the port instead. */
  readonly quiet?: boolean
  /** More of the environment, such as NODE_EXTRA_CA_CERTS. */
  readonly env?: Readonly<Record<string, string>>
  /** An existing directory to start again in. */
  readonly dir?: string
  /** A command that runs the one that follows, in its own place: `['prlimit', '--nofile=100']`. */
  readonly under?: readonly string[]
}

export const PLUGINS = [
  'sluice/plugins/connections',
  'sluice/plugins/hardening',
  'sluice/plugins/messages',
  'relay',
  'rcpt_to.in_host_list',
  'sluice/plugins/maildrop',
  'queue/discard',
]

/** A real Haraka process with the built suite, on loopback ports of its own, in a directory of its own. */
export class HarakaServer {
  log = ''
  private readonly watchers = new Set<() => void>()

  private constructor(
    readonly dir: string,
    readonly port: number,
    readonly httpPort: number,
    readonly child: ChildProcess,
  ) {
    const keep = (bytes: Buffer) => {
      this.log += bytes.toString()
      for (const watcher of this.watchers) watcher()
    }
    child.stdout!.on('data', keep)
    child.stderr!.on('data', keep)
    child.on('exit', () => {
      for (const watcher of this.watchers) watcher()
    })
  }

  static async start(options: HarakaOptions): Promise<HarakaServer> {
    const dir = options.dir ?? mkdtempSync(path.join(os.tmpdir(), 'sluice-haraka-'))
    const [port, httpPort] = [await freePort(), await freePort()]
    writeConfig(dir, port, httpPort, options)
    const haraka = path.join(ROOT, 'node_modules/haraka/bin/haraka')
    const node = [process.execPath, ...(options.nodeArgs ?? []), haraka, '-c', dir]
    const [command, ...args] = [...(options.under ?? []), ...node]
    const child = spawn(command!, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // queue/discard wants to be asked twice
      env: { ...process.env, YES_REALLY_DO_DISCARD: '1', ...options.env },
    })
    const server = new HarakaServer(dir, port, httpPort, child)
    if (options.quiet) await server.waitForPort(server.port)
    else await server.waitForLog(/Listening on|listening on/)
    if (!options.refusedConfig && /config refused/.test(server.log)) {
      await server.remove()
      throw new Error(`the config is refused:\n${server.log}`)
    }
    // HTTP is served a moment after mail.
    const serves = listed(options).some((name) => name.startsWith('sluice/')) && !/^http:/m.test(options.sluice)
    if (serves && !options.refusedConfig) await server.waitForPort(httpPort)
    return server
  }

  /** Resolves when the log holds a match, which may have been written before; rejects when the process ends first. */
  async waitForLog(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const match = pattern.exec(this.log)
      if (match) return match
      if (this.child.exitCode !== null) throw new Error(`haraka ended with ${this.child.exitCode}:\n${this.log}`)
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(
          () => finish(new Error(`no ${pattern} in the log:\n${this.log}`)),
          deadline - Date.now(),
        )
        const finish = (error?: Error) => {
          clearTimeout(timer)
          this.watchers.delete(watcher)
          if (error) reject(error)
          else resolve()
        }
        const watcher = () => finish()
        this.watchers.add(watcher)
      })
    }
  }

  private async waitForPort(port: number): Promise<void> {
    const deadline = Date.now() + 15_000
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null) throw new Error(`haraka ended with ${this.child.exitCode}:\n${this.log}`)
      const socket = net.connect({ port, host: '127.0.0.1' })
      const open = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      })
      socket.destroy()
      if (open) return
      await delay(20)
    }
    throw new Error(`haraka does not listen:\n${this.log}`)
  }

  async get(route: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${route}`)
    return { status: response.status, text: await response.text() }
  }

  /** Bans a client as an operator does over HTTP, for an hour; the server knows when it resolves. */
  async ban(target: string): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}/api/bans`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.read('data/http-token').trim()}` },
      body: JSON.stringify({ target, seconds: 3600, reason: 'test', origin: 'operator' }),
    })
    if (response.status !== 201) throw new Error(`no ban: ${response.status} ${await response.text()}`)
  }

  read(file: string): string {
    return readFileSync(path.join(this.dir, file), 'utf8')
  }

  /** Waits until a metric has a value: the server learns of a closed socket in its own time. */
  async waitForGauge(name: string, value: number): Promise<void> {
    let seen = ''
    for (let attempt = 0; attempt < 100; attempt++) {
      const { text } = await this.get('/metrics')
      seen = new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? 'absent'
      if (Number(seen) === value) return
      await delay(50)
    }
    throw new Error(`${name} is ${seen}, not ${value}`)
  }

  /** Memory of the process (Linux: /proc/PID/statm, in pages of 4 kB). */
  async residentBytes(): Promise<number> {
    const statm = await readFile(`/proc/${this.child.pid}/statm`, 'utf8')
    return Number(statm.split(' ')[1]) * 4096
  }

  /** Ends the process; returns its exit code, or null when a signal killed it. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, 'exit')
      this.child.kill(signal)
      await exit
    }
    return this.child.exitCode
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    // Workers outlive a killed master by a moment, and write.
    for (let attempt = 0; ; attempt++) {
      try {
        rmSync(this.dir, { recursive: true, force: true })
        return
      } catch (error) {
        if (attempt === 50) throw error
        await delay(50)
      }
    }
  }
}

function listed({ plugins = PLUGINS }: HarakaOptions): readonly string[] {
  return plugins
}

function writeConfig(dir: string, port: number, httpPort: number, options: HarakaOptions): void {
  const config = path.join(dir, 'config')
  mkdirSync(path.join(dir, 'node_modules'), { recursive: true })
  mkdirSync(config, { recursive: true })
  const link = path.join(dir, 'node_modules/haraka-plugin-sluice')
  if (!existsSync(link)) symlinkSync(ROOT, link)
  const http = /^http:/m.test(options.sluice) ? '' : `http: {listen: '127.0.0.1:${httpPort}'}\n`
  const files: Record<string, string> = {
    'smtp.ini': `[main]\nlisten=127.0.0.1:${port}\nnodes=${options.nodes ?? 0}\ngraceful_shutdown=${options.graceful ?? false}\n`,
    'connection.ini': CONNECTION_INI,
    'relay.ini': '[relay]\nacl=true\n',
    relay_acl_allow: '127.0.0.99/32\n',
    'outbound.ini': 'disabled=true\n',
    queue_dir: path.join(dir, 'queue'),
    host_list: 'local.test\n',
    me: 'mx.local.test\n',
    loglevel: options.logLevel ?? 'info',
    plugins: `${listed(options).join('\n')}\n`,
    'sluice.yaml': http + options.sluice,
    ...options.files,
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(config, name)), { recursive: true })
    writeFileSync(path.join(config, name), text)
  }
  mkdirSync(path.join(dir, 'queue'), { recursive: true })
  mkdirSync(path.join(dir, 'plugins'), { recursive: true })
  writeFileSync(path.join(dir, 'plugins/no_rdns.js'), NO_RDNS)
  writeFileSync(path.join(dir, 'plugins/spf.js'), SPF)
}

/** A plugin to list where a test must not depend on the DNS of the machine. */
const NO_RDNS = `exports.hook_lookup_rdns = (next) => next(OK, 'client.test')\n`

/**
 * Notes what haraka-plugin-spf would, without DNS: senders at pool.example have a pass for mail.pool.example, those at
 * forged.example fail.
 */
const SPF = `exports.hook_mail = function (next, connection, [from]) {
  const passes = from.host === 'pool.example'
  const result = passes ? 'Pass' : from.host === 'forged.example' ? 'Fail' : 'None'
  connection.transaction.results.add(this, { scope: 'mfrom', result, domain: passes ? 'mail.pool.example' : from.host })
  next()
}
`

const CONNECTION_INI = `[main]
smtputf8=true
[haproxy]
enabled=true
hosts[] = 127.0.0.50
hosts[] = 127.2.0.0/16
[headers]
add_received=true
clean_auth_results=true
show_version=false
max_lines=1000
max_received=100
[max]
bytes=26214400
mime_parts=1000
line_length=16384
data_line_length=992
[message]
helo=at your service
close=bye
[uuid]
banner_chars=0
deny_chars=0
`
