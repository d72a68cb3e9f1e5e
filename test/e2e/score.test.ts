import assert from 'node:assert/strict'
import { HarakaServer } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'

const PLUGINS = ['sluice/plugins/score', 'no_rdns', 'spf', 'witness', 'rcpt_to.in_host_list', 'queue/discard']

/** Another Haraka plugin that reads what Sluice has found, as a content filter would. */
const WITNESS = `exports.hook_data = function (next, connection) {
  const { score, parts } = connection.results.get('sluice') ?? {}
  connection.lognotice(this, 'sluice says ' + score + ' for ' + parts)
  next()
}
`

describe('the score, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  afterEach(() => server.remove())

  async function start(score: string, plugins = PLUGINS): Promise<HarakaServer> {
    server = await HarakaServer.start({
      sluice: `mode: enforce\nstore: memory\ntrusted: []\n${score}\n`,
      plugins,
      files: { '../plugins/witness.js': WITNESS },
    })
    return server
  }

  it('adds up what a session does, holds it once, then defers, and refuses for good only when told to', async () => {
    await start('score: {mode: enforce, delay: 1, hold: 300ms, defer: 2, reject: 3}')
    const client = await SmtpClient.greet(server.port, '127.0.5.1')
    await client.say('MAIL FROM:<a@forged.example>')
    // SPF does not permit that sender: 3 points.
    assert.match(
      (await client.say('RCPT TO:<u@local.test>')).text,
      /^550 5\.7\.1 Too much speaks .* \(sluice score \w+\)$/,
    )
    await client.quit()

    const other = await SmtpClient.greet(server.port, '127.0.5.2')
    await other.say('MAIL FROM:<a@example.com>')
    assert.equal((await other.say('RCPT TO:<u@local.test>')).code, 250)
    assert.equal((await other.say('RCPT TO:<x@elsewhere.test>')).code, 550)
    assert.equal((await other.say('RCPT TO:<y@elsewhere.test>')).code, 550)
    const asked = performance.now()
    assert.equal((await other.say('RCPT TO:<u@local.test>')).code, 250, 'one point: held, then taken')
    assert.ok(performance.now() - asked >= 290, `held for ${performance.now() - asked} ms`)
    await other.say('RCPT TO:<z@elsewhere.test>')
    await other.say('NONSENSE')
    await other.say('NONSENSE')
    assert.match((await other.say('RCPT TO:<u@local.test>')).text, /^450 4\.7\.1 Too much speaks against this client/)
    await other.quit()
    await server.waitForLog(/action=defer rule=score mode=enforce .* reason=score score=2 /)
  })

  it('holds a suspect and then holds it to the limits of the plugins above, as everybody else', async () => {
    const limits = 'limits:\n  client_recipients: {limit: 1/h}\n'
    await start(`score: {mode: enforce, delay: 2, hold: 300ms, defer: false}\n${limits}`, [
      'sluice/plugins/messages',
      ...PLUGINS,
    ])
    const client = await SmtpClient.greet(server.port, '127.0.5.1')
    await client.say('MAIL FROM:<a@forged.example>')
    assert.equal((await client.say('RCPT TO:<u@local.test>')).code, 250)
    assert.match((await client.say('RCPT TO:<v@local.test>')).text, /^450 4\.7\.1 .* \(sluice client_recipients \w+\)$/)
    await client.quit()
  })

  it('in shadow refuses and holds nobody, says what it would have done, and tells other plugins', async () => {
    await start('score: {delay: 1, hold: 5s, defer: 2, reject: 3}')
    const client = await SmtpClient.greet(server.port, '127.0.5.1')
    const asked = performance.now()
    assert.match((await client.send('a@forged.example', 'u@local.test')).text, /^250 /)
    assert.ok(performance.now() - asked < 2000)
    await client.quit()
    await server.waitForLog(/action=accept rule=score mode=shadow .* score=3 /)
    await server.waitForLog(/sluice says 3 for spf:spf_fail:3/)
  })

  it('speaks of nobody who may relay', async () => {
    await start('score: {mode: enforce, delay: 1, hold: 1s, defer: 2, reject: 3}', ['relay', ...PLUGINS])
    const client = await SmtpClient.greet(server.port, '127.0.0.99')
    assert.match((await client.send('a@forged.example', 'u@local.test')).text, /^250 /)
    await client.quit()
    await server.waitForLog(/sluice says undefined/)
  })

  it('stands beside karma, which takes denials of other hooks for its own unless they are among its deny_excludes', async () => {
    // Haraka does not come up while karma finds no Redis.
    const redis = await RedisServer.start()
    const { hostname, port } = new URL(redis.url)
    const karmas = `[redis]\nhost=${hostname}\nport=${port}\n`
    const ask = async (excludes: string): Promise<string[]> => {
      server = await HarakaServer.start({
        sluice: `mode: enforce\nstore: memory\ntrusted: []\nlimits: {sender: {limit: 1/h}}\nscore: {mode: enforce, delay: false, defer: 2}\n`,
        plugins: ['karma', 'sluice/plugins/messages', ...PLUGINS],
        files: {
          'karma.ini': `${karmas}[deny_excludes]\nplugins = access ${excludes}\n`,
          'redis.ini': `[server]\nhost=${hostname}\nport=${port}\n`,
          '../plugins/witness.js': WITNESS,
        },
      })
      // Karma leaves private addresses alone.
      const client = await SmtpClient.greet(server.port, '2001:db8:5::7')
      await client.say('MAIL FROM:<a@forged.example>')
      const rcpt = await client.say('RCPT TO:<u@local.test>')
      await client.say('RSET')
      const mail = await client.say('MAIL FROM:<a@forged.example>')
      await client.quit()
      await server.remove()
      return [rcpt.text.slice(0, 9), mail.text.slice(0, 9)]
    }
    try {
      assert.deepEqual(await ask(''), ['450 4.7.1', '250 sende'])
      assert.deepEqual(await ask('sluice/plugins/messages'), ['450 4.7.1', '450 4.7.1'])
    } finally {
      await redis.stop()
    }
  })
})
