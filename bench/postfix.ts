import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/support/redis-server'

const { ensurePostfix } = createRequire(__filename)('../scripts/postfix.js') as {
  ensurePostfix: (say: (line: string) => void) => void
}

/** What connections are cached for: all the benches send to one host, without DNS. */
export interface PostfixOptions {
  readonly host: string
  readonly connections: number
  readonly tls: boolean
}

/** A Postfix with a configuration and a queue of its own, on a loopback port of its own. Needs to be root, as Postfix does. */
export class Postfix {
  private constructor(
    private readonly dir: string,
    private readonly port: number,
  ) {}

  static async start(options: PostfixOptions): Promise<Postfix> {
    ensurePostfix((line) => console.log(line))
    const dir = mkdtempSync(path.join(os.tmpdir(), 'sluice-postfix-'))
    const port = await freePort()
    const postfix = new Postfix(dir, port)
    chmodSync(dir, 0o755)
    for (const name of ['config', 'queue', 'data']) mkdirSync(path.join(dir, name))
    const uid = Number(run('id', ['-u', 'postfix']).trim())
    chownSync(path.join(dir, 'data'), uid, Number(run('id', ['-g', 'postfix']).trim()))
    writeFileSync(path.join(dir, 'config/main.cf'), mainOf(dir, options))
    writeFileSync(path.join(dir, 'config/master.cf'), masterOf(port))
    postfix.command('postfix', 'start')
    for (let turn = 0; spawnSync('postfix', ['-c', path.join(dir, 'config'), 'status']).status !== 0; turn++) {
      if (turn === 100) throw new Error('postfix does not start')
      await delay(50)
    }
    return postfix
  }

  /** Queues messages of 1 kB, which wait until they are released. */
  queue(messages: number): void {
    run('smtp-source', [
      '-m',
      `${messages}`,
      '-s',
      '10',
      '-l',
      '1024',
      '-f',
      'ann@near.test',
      '-t',
      'bob@far.test',
      `127.0.0.1:${this.port}`,
    ])
  }

  /** Sends all that waits. */
  release(): void {
    this.command('postsuper', '-H', 'ALL')
    this.command('postqueue', '-f')
  }

  /** Waits until nothing is in the queue. */
  async emptied(): Promise<void> {
    const folders = ['hold', 'deferred', 'incoming', 'active'].map((name) => path.join(this.dir, 'queue', name))
    while (
      folders.some((folder) =>
        readdirSync(folder, { recursive: true, withFileTypes: true }).some((entry) => entry.isFile()),
      )
    )
      await delay(20)
  }

  stop(): void {
    this.command('postfix', 'stop')
    rmSync(this.dir, { recursive: true, force: true })
  }

  private command(name: string, ...args: readonly string[]): void {
    run(name, ['-c', path.join(this.dir, 'config'), ...args])
  }
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
  return stdout
}

function mainOf(dir: string, { host, connections, tls }: PostfixOptions): string {
  return `compatibility_level = 3.6
queue_directory = ${dir}/queue
data_directory = ${dir}/data
myhostname = mx.local.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
relayhost = ${host}
smtp_host_lookup = native
# Held until the bench releases it.
smtpd_client_restrictions = check_client_access static:HOLD
smtpd_relay_restrictions = permit_mynetworks, reject
default_destination_concurrency_limit = ${connections}
smtp_destination_concurrency_limit = ${connections}
initial_destination_concurrency = ${connections}
smtp_connection_cache_on_demand = yes
smtp_connection_cache_destinations = ${host}
smtp_tls_security_level = ${tls ? 'may' : 'none'}
smtp_tls_connection_reuse = ${tls ? 'yes' : 'no'}
`
}

/** Debian's, without chroot, and without what nobody needs here. */
function masterOf(port: number): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
`
}
