import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { HarakaServer, PLUGINS } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'

const SLUICE = path.resolve(__dirname, '../../bin/sluice.js')

interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function sluice(...args: string[]): Promise<Run> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [SLUICE, ...args], {
      env: { ...process.env, NO_COLOR: '1' },
    })
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

const POLICY = `mode: enforce
store: lmdb:data/sluice
trusted: []
limits:
  sender: {limit: [2/min, 20/h]}
`

describe('seeing, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  let reference: string
  before(async () => {
    server = await HarakaServer.start({ sluice: POLICY, plugins: PLUGINS.filter((name) => name !== 'queue/discard') })
    const client = await SmtpClient.greet(server.port)
    for (let count = 0; count < 2; count++) await client.send('a@example.com', 'u@local.test')
    const { text } = await client.say('MAIL FROM:<a+x@example.com>')
    reference = /\(sluice sender (\w+)\)/.exec(text)![1]!
    await client.quit()
  })
  after(() => server.remove())

  it('writes one line for an enforced decision, fixed fields first, what the client chose last', async () => {
    const [line] = await server.waitForLog(/\[sluice\] action=.*/)
    assert.match(
      line,
      /^\[sluice\] action=defer rule=sender mode=enforce stage=mail ref=\w{7} ip=127\.0\.0\.1 count=2 limit=2 window_s=60 retry_s=\d+ .*key="sender\|a@example\.com" helo="client\.test"$/,
    )
  })

  for (const [what, argument] of [
    ['the reference of the reply', () => reference],
    ['the address', () => 'a@example.com'],
    ['the client', () => '127.0.0.1'],
  ] as const) {
    it(`tells why by ${what}`, async () => {
      const { code, stdout } = await sluice('why', argument(), '--dir', server.dir)
      assert.equal(code, 0, stdout)
      assert.match(stdout, /sender/)
      assert.match(stdout, /a@example\.com/)
      assert.match(stdout, /2\b/)
    })
  }

  it('tells when it knows nothing, with exit code 1', async () => {
    assert.equal((await sluice('why', 'nobody@example.net', '--dir', server.dir)).code, 1)
  })

  it('shows, tops and resets limits while the server runs, and the server heeds it', async () => {
    const shown = await sluice('limits', 'show', 'a@example.com', '--dir', server.dir, '--json')
    assert.equal(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, /sender\|a@example\.com/)
    assert.match((await sluice('limits', 'top', '--dir', server.dir)).stdout, /sender/)

    const dry = await sluice('limits', 'reset', 'a@example.com', '--dir', server.dir, '--dry-run')
    assert.equal(dry.code, 0, dry.stderr)
    const client = await SmtpClient.greet(server.port)
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 450, 'a dry run changes nothing')
    const reset = await sluice('limits', 'reset', 'a@example.com', '--dir', server.dir)
    assert.equal(reset.code, 0, reset.stderr)
    // Every process learns of a reset at its next tick.
    let code = 450
    for (let attempt = 0; attempt < 100 && code === 450; attempt++) {
      await delay(20)
      code = (await client.say('MAIL FROM:<a@example.com>')).code
    }
    assert.equal(code, 250)
    await client.quit()
  })

  it('resets what a server remembers, also when the store has lost it', async () => {
    // One rule, so that what the store forgets by itself is what the server goes on refusing.
    const redis = await RedisServer.start()
    const lonely = await HarakaServer.start({
      sluice: `mode: enforce\nstore: '${redis.url}'\ntrusted: []\nlimits: {sender: {limit: 1/h}}\n`,
    })
    try {
      const client = await SmtpClient.greet(lonely.port)
      const ask = async () => {
        const { code } = await client.say('MAIL FROM:<lost@example.com>')
        await client.say('RSET')
        return code
      }
      assert.deepEqual([await ask(), await ask()], [250, 450])
      const admin = new Redis(redis.url)
      await admin.flushdb()
      await admin.quit()
      assert.equal(await ask(), 450, 'remembered')
      const { code, stderr } = await sluice('limits', 'reset', 'lost@example.com', '--dir', lonely.dir)
      assert.equal(code, 0, stderr)
      assert.match(stderr, /forget what they remember/)
      for (let attempt = 0; attempt < 100 && (await ask()) === 450; attempt++) await delay(20)
      // The first that passed counts.
      assert.equal(await ask(), 450)
      assert.match((await sluice('limits', 'show', 'lost@example.com', '--dir', lonely.dir)).stdout, /1\/1/)
    } finally {
      await lonely.remove()
      await redis.stop()
    }
  })

  it('pings its store and finds the server in good health', async () => {
    assert.equal((await sluice('store', 'ping', '--dir', server.dir)).code, 0)
    const doctor = await sluice('doctor', server.dir)
    assert.equal(doctor.code, 0, doctor.stdout + doctor.stderr)
  })

  it('serves metrics and health on loopback', async () => {
    const metrics = await server.get('/metrics')
    assert.equal(metrics.status, 200)
    assert.match(metrics.text, /^sluice_decisions_total\{.*rule="sender".*\} \d+$/m)
    assert.match(metrics.text, /^sluice_judge_seconds_bucket/m)
    assert.doesNotMatch(metrics.text, /example\.com/)
    assert.equal((await server.get('/healthz')).status, 200)
    assert.equal((await server.get('/readyz')).status, 200)
    assert.equal((await server.get('/nothing')).status, 404)
  })

  it('adds all workers up in one scrape', async () => {
    const cluster = await HarakaServer.start({ sluice: POLICY, nodes: 2 })
    try {
      const clients = await Promise.all(Array.from({ length: 6 }, () => SmtpClient.greet(cluster.port)))
      for (const [index, client] of clients.entries()) await client.say(`MAIL FROM:<u${index}@d${index}.example>`)
      const stages = async () => {
        const { text } = await cluster.get('/metrics')
        return Number(/^sluice_stages_total\{stage="mail",result="accept"\} (\d+)$/m.exec(text)?.[1])
      }
      assert.equal(await stages(), 6)
      assert.equal(await stages(), 6, 'whichever process answers')
      assert.equal((await cluster.get('/readyz')).status, 200)
    } finally {
      await cluster.remove()
    }
  })

  it('starts once in a worker, however many plugins are listed', async () => {
    const all = readdirSync(path.resolve(__dirname, '../../plugins')).map((name) => `sluice/plugins/${name}`)
    const plugins = [...all.filter((name) => !PLUGINS.includes(name)), ...PLUGINS]
    const cluster = await HarakaServer.start({ sluice: POLICY, nodes: 1, plugins })
    try {
      await cluster.waitForGauge('sluice_workers_silent', 0)
      assert.doesNotMatch(cluster.log, /MaxListenersExceededWarning/)
    } finally {
      await cluster.remove()
    }
  })

  it('gives the places of its sessions back to Redis when Haraka ends without a word', async () => {
    const redis = await RedisServer.start()
    const admin = new Redis(redis.url)
    const leases = async () => (await admin.keys('*')).filter((key) => key.includes('parallel_sessions')).length
    const ending = await HarakaServer.start({ sluice: POLICY.replace('lmdb:data/sluice', redis.url) })
    try {
      // Redis knows the script from then on, as it does on every server that has run for a while.
      await (await SmtpClient.greet(ending.port)).quit()
      await Promise.all(Array.from({ length: 10 }, () => SmtpClient.greet(ending.port)))
      assert.ok((await leases()) > 0)
      await ending.stop('SIGINT')
      for (let attempt = 0; attempt < 20 && (await leases()) > 0; attempt++) await delay(20)
      assert.equal(await leases(), 0)
    } finally {
      admin.disconnect()
      await ending.remove()
      await redis.stop()
    }
  })
})
