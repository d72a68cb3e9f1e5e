import { decodeState } from '../engine/codec'
import { describeKey } from '../engine/describe'
import type { KeyState, Ping } from '../store'
import { type RedisClient, primariesOf } from './connect'

/** SCAN looks at this many keys in a step, and takes at most this many steps: one million keys. */
const SCAN_COUNT = 1000
const SCAN_STEPS = 1000

/** Live states whose key starts with `prefix`, at most `most`. On a server with very many other keys it may miss some. */
export async function listKeys(
  client: RedisClient,
  keyPrefix: string,
  prefix: string,
  most: number,
): Promise<KeyState[]> {
  const found = new Map<string, KeyState>()
  const pattern = `${escapeGlob(keyPrefix + prefix)}*`
  let stepsLeft = SCAN_STEPS
  const now = await serverTime(client)
  for (const server of primariesOf(client)) {
    let cursor = '0'
    do {
      const [following, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT)
      cursor = following
      if (keys.length > 0) await readStates(client, keyPrefix, keys, now, found)
    } while (cursor !== '0' && found.size < most && --stepsLeft > 0)
  }
  return [...found.values()].slice(0, most)
}

/** Health of the server as people want to see it. */
export async function pingServer(client: RedisClient, where: string): Promise<Ping> {
  const before = Date.now()
  const started = process.hrtime.bigint()
  const time = await serverTime(client)
  const latencyMs = Number(process.hrtime.bigint() - started) / 1e6
  const servers = primariesOf(client)
  const sizes = await Promise.all(servers.map((server) => server.dbsize()))
  const info = parseInfo((await servers[0]?.info()) ?? '')
  return {
    kind: 'redis',
    latencyMs,
    clockSkewMs: Math.round(time - before - latencyMs / 2),
    keys: sizes.reduce((sum, size) => sum + size, 0),
    detail: {
      where,
      version: info.get('valkey_version') ?? info.get('redis_version') ?? 'unknown',
      servers: servers.length,
      role: info.get('role') ?? 'unknown',
      usedMemoryBytes: Number(info.get('used_memory') ?? 0),
      maxMemoryBytes: Number(info.get('maxmemory') ?? 0),
      maxMemoryPolicy: info.get('maxmemory_policy') ?? 'unknown',
    },
  }
}

async function readStates(
  client: RedisClient,
  keyPrefix: string,
  keys: readonly string[],
  now: number,
  found: Map<string, KeyState>,
): Promise<void> {
  const values = await client.mgetBuffer([...keys])
  keys.forEach((name, index) => {
    const bytes = values[index]
    const state = bytes ? decodeState(bytes) : undefined
    const key = name.slice(keyPrefix.length)
    const described = state && describeKey(key, state, now)
    if (described) found.set(key, described)
  })
}

/** The server's clock in milliseconds. */
export async function serverTime(client: RedisClient): Promise<number> {
  const [seconds, micros] = await client.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

function parseInfo(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return fields
}

export function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&')
}
