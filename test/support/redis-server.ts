import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A port of the loopback that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export interface RedisServerOptions {
  /** Where to listen; a free port by default. */
  readonly port?: number
  /** More settings, as on the command line: `['--requirepass', 'secret']`. */
  readonly settings?: readonly string[]
}

/** A real redis-server on the loopback, without persistence, in a directory of its own. */
export class RedisServer {
  private process: ChildProcess | undefined
  /** The latest lines of its log. */
  private log: string[] = []
  private waiting: { pattern: RegExp; resolve: () => void }[] = []
  private directory: string | undefined

  private constructor(
    readonly port: number,
    private readonly settings: readonly string[],
    private readonly sentinelConfig?: string,
  ) {}

  /** Resolves when the server says that it takes connections. */
  static async start({ port, settings = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(port ?? (await freePort()), settings)
    await server.start()
    return server
  }

  /** A sentinel that watches one primary; it keeps its state in a file, as a sentinel must. */
  static async startSentinel(port: number, name: string, primaryPort: number): Promise<RedisServer> {
    const server = new RedisServer(port, [], `sentinel monitor ${name} 127.0.0.1 ${primaryPort} 1\n`)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it again after {@link stop} or {@link kill}, on the same port, empty. */
  async start(): Promise<void> {
    this.directory = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
    const place = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory]
    const settings = ['--save', '', '--appendonly', 'no', ...this.settings]
    const args =
      this.sentinelConfig === undefined ? [...place, ...settings] : [await this.writeConfig(), ...place, '--sentinel']
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.process = child
    this.log = []
    // Read to the end, or the pipe would fill and hold the server up.
    createInterface({ input: child.stdout }).on('line', (line) => this.hear(line))
    await Promise.race([this.logged(/Ready to accept connections|Sentinel ID is/), this.failed(child)])
  }

  /** Resolves when a line of its log says so, which may have been before. */
  logged(pattern: RegExp): Promise<void> {
    if (this.log.some((line) => pattern.test(line))) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push({ pattern, resolve }))
  }

  /** Ends it in good order. */
  async stop(): Promise<void> {
    await this.end('SIGTERM')
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.end('SIGKILL')
  }

  /** The process stands still: connections stay, nothing is answered. */
  pause(): void {
    this.process?.kill('SIGSTOP')
  }

  resume(): void {
    this.process?.kill('SIGCONT')
  }

  private async writeConfig(): Promise<string> {
    const file = join(this.directory!, 'sentinel.conf')
    await writeFile(file, this.sentinelConfig!)
    return file
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { process: child, directory } = this
    this.process = undefined
    this.directory = undefined
    if (child && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill(signal)
      await exit
    }
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  }

  private hear(line: string): void {
    this.log.push(line)
    if (this.log.length > 200) this.log.shift()
    const heard = this.waiting.filter(({ pattern }) => pattern.test(line))
    this.waiting = this.waiting.filter((waiting) => !heard.includes(waiting))
    for (const { resolve } of heard) resolve()
  }

  /** Rejects when it cannot be started, or ends. */
  private failed(child: ChildProcess): Promise<never> {
    return new Promise((_, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const missing = 'redis-server is not installed: install it (Debian: apt-get install redis-server)'
        reject(error.code === 'ENOENT' ? new Error(missing) : error)
      })
      child.once('exit', (code) =>
        reject(new Error(`redis-server ended with ${code}: ${this.log.slice(-3).join(' | ')}`)),
      )
    })
  }
}
