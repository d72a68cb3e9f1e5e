/** Banned clients that come without a proxy, so that the server's door sees them. Run by test/e2e/door.test.ts. */
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { HarakaServer } from './haraka'

export interface DoorReport {
  /** Each connection: all that the client read. */
  readonly heard: Record<string, string>
  readonly log: string
  readonly decisions: string
  /** Batches that reached the store while banned clients knocked. */
  readonly storeTrips: number
}

const [BANNED, NEIGHBOUR, THIEF, GOOD] = ['198.18.66.6', '198.18.66.7', '198.19.5.5', '198.18.1.1']
const PLUGINS = [
  'sluice/plugins/jail',
  'sluice/plugins/connections',
  'no_rdns',
  'rcpt_to.in_host_list',
  'queue/discard',
]

void main()

async function main(): Promise<void> {
  const server = await HarakaServer.start({
    sluice: 'mode: enforce\nstore: lmdb:data/sluice\ntrusted: []\njail: {mode: enforce, first: 1h, client: 3/h}\n',
    plugins: PLUGINS,
    // So that all is recorded when it has ended.
    graceful: true,
  })
  try {
    const heard: Record<string, string> = {}
    heard.before = await talk(server, BANNED, ['QUIT'])
    await server.ban('198.18.66.0/24')
    const before = await trips(server)
    heard.banned = await talk(server, BANNED, ['QUIT'])
    heard.again = await talk(server, BANNED, ['QUIT'])
    heard.neighbour = await talk(server, NEIGHBOUR, ['QUIT'])
    const storeTrips = (await trips(server)) - before
    heard.good = await talk(server, GOOD, ['QUIT'])
    // Whoever earns a ban is shut out in the session, and then at the door.
    heard.thief = await talk(server, THIEF, ['EHLO thief.test', ...['A', 'B', 'C', 'D', 'E'].map((name) => `X${name}`)])
    heard.thiefAgain = await talk(server, THIEF, ['QUIT'])
    await server.waitForLog(/rule=ban .*ip=198\.19\.5\.5 /)
    await unban(server, '198.18.66.0/24')
    heard.pardoned = await talk(server, BANNED, ['QUIT'])
    await server.stop()
    const folder = path.join(server.dir, 'data/decisions')
    const decisions = readdirSync(folder)
      .map((name) => readFileSync(path.join(folder, name), 'utf8'))
      .join('')
    process.send!({ heard, log: server.log, decisions, storeTrips } satisfies DoorReport)
  } finally {
    await server.remove()
  }
}

/** Says one command after each line of the server, until it closes. */
async function talk(server: HarakaServer, from: string, commands: readonly string[]): Promise<string> {
  const socket = net.connect({ port: server.port, host: '127.0.0.1', localAddress: from })
  let [text, said] = ['', 0]
  socket.on('data', (bytes) => {
    text += bytes.toString()
    if (/^\d{3} [^\n]*\n$/m.test(text) && said < commands.length) socket.write(`${commands[said++]}\r\n`)
  })
  socket.on('error', () => undefined)
  await once(socket, 'close')
  return text
}

async function trips(server: HarakaServer): Promise<number> {
  const { text } = await server.get('/metrics')
  return Number(/^sluice_store_batches_total (\d+)/m.exec(text)?.[1] ?? Number.NaN)
}

async function unban(server: HarakaServer, target: string): Promise<void> {
  const url = `http://127.0.0.1:${server.httpPort}/api/bans/${encodeURIComponent(target)}`
  const authorization = `Bearer ${server.read('data/http-token').trim()}`
  const { status } = await fetch(url, { method: 'DELETE', headers: { authorization } })
  if (status >= 300) throw new Error(`no unban: ${status}`)
}
