import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'

/** A command that serves until it is told to end, and what it has written so far, both streams together. */
export class ServerProcess {
  output = ''
  private readonly child: ChildProcess
  private readonly watchers = new Set<() => void>()

  /** `group`: the child leads a process group, as the command of a terminal does; signals then go to all of it. */
  constructor(
    command: string,
    args: readonly string[],
    private readonly options: { cwd?: string; env?: NodeJS.ProcessEnv; group?: boolean } = {},
  ) {
    this.child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      detached: options.group === true,
    })
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        this.output += bytes.toString()
        this.tell()
      })
    }
    this.child.on('exit', () => this.tell())
  }

  /** Resolves when the output matches; rejects when the process ends first, or after `timeoutMs`. */
  async waitFor(pattern: RegExp, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!pattern.test(this.output)) {
      if (this.ended) throw new Error(`ended with ${this.child.exitCode ?? this.child.signalCode}:\n${this.output}`)
      if (Date.now() > deadline) throw new Error(`no ${pattern} within ${timeoutMs} ms:\n${this.output}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now() + 1)
        this.watchers.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** Sends a signal and waits for the end; returns the exit code, or the name of the signal that killed it. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    if (!this.ended) {
      const exit = once(this.child, 'exit')
      if (this.options.group) process.kill(-this.child.pid!, signal)
      else this.child.kill(signal)
      await exit
    }
    return this.child.exitCode ?? this.child.signalCode!
  }

  private get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher()
    this.watchers.clear()
  }
}

/** A port of 127.0.0.1 that nobody uses just now. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Whether somebody listens on a port of 127.0.0.1. */
export async function isOpen(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  const open = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  socket.destroy()
  return open
}
