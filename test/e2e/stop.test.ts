import assert from 'node:assert/strict'
import { HarakaServer } from '../support/haraka'
import { RedisServer } from '../support/redis-server'
import { SmtpClient } from '../support/smtp-client'
import { sluice } from '../unit/cli/command'

describe('an orderly stop, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer | undefined
  let redis: RedisServer | undefined
  afterEach(async () => {
    await server?.remove()
    await redis?.stop()
    server = redis = undefined
  })

  for (const kind of ['lmdb', 'redis']) {
    it(`judges sessions that are open until they end, on ${kind}`, async () => {
      if (kind === 'redis') redis = await RedisServer.start()
      server = await HarakaServer.start({
        sluice: `mode: enforce\nstore: '${redis?.url ?? 'lmdb:data/sluice'}'\ntrusted: []\nlimits: {sender: {limit: 5/h}}\n`,
        plugins: ['sluice/plugins/messages', 'no_rdns', 'rcpt_to.in_host_list', 'queue/discard'],
        graceful: true,
      })
      const client = await SmtpClient.greet(server.port, '2001:db8:1::1')
      const ended = server.stop('SIGINT')
      await server.waitForLog(/Shutting down listeners/)
      const codes: number[] = []
      for (let count = 0; count < 8; count++) {
        codes.push((await client.send('news@example.com', 'u@local.test')).code)
        if (codes.at(-1) !== 250) await client.say('RSET')
      }
      await client.quit()
      assert.deepEqual(codes, [250, 250, 250, 250, 250, 450, 450, 450])
      await ended
      assert.doesNotMatch(server.log, /guard:|unjudged/)
      const { stdout } = await sluice('why', 'news@example.com', '--json', '--all', '--dir', server.dir)
      const mails = (JSON.parse(stdout) as { stage: string }[]).filter(({ stage }) => stage === 'mail')
      assert.equal(mails.length, 8, 'all is recorded')
    })
  }
})
