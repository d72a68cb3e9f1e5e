import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { HarakaServer } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'

const DELAY_MS = 1500
const PLUGINS = [
  'sluice/plugins/connections',
  'sluice/plugins/messages',
  'spf',
  'relay',
  'rcpt_to.in_host_list',
  'sluice/plugins/greylist',
  'queue/discard',
]

/** No limits but those named; greylisting with a delay that a test can wait for. */
function policy({ store = 'memory', mode = 'enforce', limits = '', more = '' } = {}): string {
  const none = ['connection_rate', 'parallel_sessions', 'client_messages', 'client_recipients', 'client', 'sender']
  none.push('sender_domain', 'recipient', 'recipient_share')
  const removed = none.filter((name) => !limits.includes(`  ${name}:`)).map((name) => `  ${name}: false`)
  const greylist = `greylist: {mode: ${mode}, delay: ${DELAY_MS}ms, retry: 1h${more}}`
  return ['mode: enforce', `store: '${store}'`, 'trusted: []', greylist, 'limits:', ...removed, limits, ''].join('\n')
}

describe('greylisting, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  let redis: RedisServer | undefined
  afterEach(async () => {
    await server.remove()
    await redis?.stop()
    redis = undefined
  })

  const start = (sluice: string) => HarakaServer.start({ sluice, plugins: PLUGINS })

  async function send(from: string, ip: string, to = 'u@local.test'): Promise<string> {
    const client = await SmtpClient.greet(server.port, ip)
    const { text } = await client.send(from, to)
    await client.quit()
    return text
  }

  const waitOut = () => delay(DELAY_MS + 50)
  const TAKEN = /^250 /
  const DEFERRED = /^451 4\.7\.1 Greylisted, .*try again in \d seconds? \(sluice greylist \w+\)$/

  it('defers a stranger until the delay is over, then takes all that he sends', async () => {
    server = await start(policy())
    assert.match(await send('a@example.com', '127.0.5.1'), DEFERRED)
    assert.match(await send('a@example.com', '127.0.5.1'), DEFERRED)
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.2'), TAKEN, 'the same network')
    assert.match(await send('a+tag@EXAMPLE.com', '127.0.5.1'), TAKEN)
    assert.match(await send('b@example.com', '127.0.5.1'), DEFERRED, 'another sender')
    assert.match(await send('a@example.com', '127.0.6.1'), DEFERRED, 'another network')
    assert.match(await send('a@example.com', '127.0.5.1', 'v@local.test'), DEFERRED, 'another recipient')
    assert.match(await send('a@example.com', '127.0.5.1', 'x@elsewhere.test'), /^550 /, 'no recipient of ours')
  })

  it('takes a message for those who know its sender, and defers it for the others', async () => {
    server = await start(policy())
    await send('a@example.com', '127.0.5.1', 'known@local.test')
    await waitOut()
    const client = await SmtpClient.greet(server.port, '127.0.5.1')
    await client.say('MAIL FROM:<a@example.com>')
    assert.equal((await client.say('RCPT TO:<known@local.test>')).code, 250)
    assert.equal((await client.say('RCPT TO:<new@local.test>')).code, 451)
    assert.equal((await client.say('DATA')).code, 354)
    assert.equal((await client.say('Subject: x\r\n\r\nx\r\n.')).code, 250)
  })

  it('knows a large sender by its SPF domain, from whichever of 15 addresses it comes back', async () => {
    server = await start(policy())
    assert.match(await send('news@pool.example', '127.20.0.1'), DEFERRED)
    await waitOut()
    for (let network = 1; network < 15; network++) {
      assert.match(await send('news@pool.example', `127.20.${network}.1`), TAKEN, `127.20.${network}.1`)
    }
  })

  it('is passed by a server that queues, by itself', async () => {
    server = await start(policy())
    const route = `exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: '127.0.0.1', port: ${server.port} })`
    const sender = await HarakaServer.start({
      sluice: '',
      plugins: ['relay', 'rcpt_to.in_host_list', 'route'],
      files: {
        '../plugins/route.js': route,
        // The least that Haraka takes.
        'outbound.ini': 'temp_fail_intervals=5s*9\n',
      },
    })
    try {
      const client = await SmtpClient.greet(sender.port, '127.0.0.99')
      assert.match((await client.send('a@example.com', 'u@local.test')).text, TAKEN)
      await client.quit()
      await server.waitForLog(/action=defer rule=greylist/)
      await sender.waitForLog(/451 4\.7\.1 Greylisted|Greylisted, as you are new/)
      await server.waitForLog(/queue code=OK/)
    } finally {
      await sender.remove()
    }
  })

  it('takes two first tries at once for one', async () => {
    server = await start(policy())
    const tries = await Promise.all([send('a@example.com', '127.0.5.1'), send('a@example.com', '127.0.5.1')])
    for (const text of tries) assert.match(text, DEFERRED)
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
  })

  it('leaves alone who may relay and who is allowed', async () => {
    server = await start(policy({ more: ', allow: [example.net, 127.0.8.0/24, postmaster@local.test]' }))
    assert.match(await send('a@example.com', '127.0.0.99'), TAKEN)
    assert.match(await send('a@example.net', '127.0.5.1'), TAKEN)
    assert.match(await send('a@example.com', '127.0.8.1'), TAKEN)
    assert.match(await send('a@example.com', '127.0.5.1', 'postmaster@local.test'), TAKEN)
    assert.match(await send('a@example.com', '127.0.5.1'), DEFERRED)
  })

  it('is in shadow by default, whatever the mode at the top', async () => {
    server = await start(policy().replace(/^greylist: .*$/m, ''))
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
    await server.waitForLog(/action=accept rule=greylist mode=shadow/)
  })

  it('in shadow says what it would do, takes the mail, and learns', async () => {
    server = await start(policy({ mode: 'shadow' }))
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
    await server.waitForLog(/action=accept rule=greylist mode=shadow .*reason=greylist/)
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
    assert.equal(server.log.match(/rule=greylist/g)?.length, 1, 'the second time it would have been taken')
  })

  it('lets a deferred message consume nobody’s quota', async () => {
    server = await start(policy({ limits: '  recipient: {limit: 1/h}' }))
    for (const sender of ['a', 'b', 'c']) assert.match(await send(`${sender}@example.com`, '127.0.5.1'), DEFERRED)
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
    assert.match(await send('b@example.com', '127.0.5.1'), /^450 .*sluice recipient /)
  })

  it('greylists nobody while Redis is away, and knows its correspondents when it is back', async () => {
    redis = await RedisServer.start()
    server = await start(policy({ store: redis.url }))
    assert.match(await send('a@example.com', '127.0.5.1'), DEFERRED)
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
    redis.pause()
    assert.match(await send('stranger@example.com', '127.0.9.1'), TAKEN)
    redis.resume()
    for (let attempt = 0; attempt < 100; attempt++) {
      if (DEFERRED.test(await send(`later${attempt}@example.com`, '127.0.9.1'))) break
      await delay(50)
    }
    assert.match(await send('b@example.com', '127.0.9.1'), DEFERRED)
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
  })

  it('knows its correspondents after a restart', async () => {
    server = await start(policy({ store: 'lmdb:data/sluice' }))
    assert.match(await send('a@example.com', '127.0.5.1'), DEFERRED)
    await server.stop()
    const { dir } = server
    server = await HarakaServer.start({ sluice: policy({ store: 'lmdb:data/sluice' }), plugins: PLUGINS, dir })
    await waitOut()
    assert.match(await send('a@example.com', '127.0.5.1'), TAKEN)
  })
})
