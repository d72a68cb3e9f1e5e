import assert from 'node:assert/strict'
import { MailWorld } from '../support/mail-world'
import { SmtpClient } from '../support/smtp-client'
import { sluice } from '../support/sluice'

const PLUGINS = ['sluice/plugins/feedback', 'sluice/plugins/suppress', 'rcpt_to.in_host_list']
const TIMES = 3

describe('a server that is killed when it has taken a report', function () {
  this.timeout(90_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  for (const kind of ['lmdb', 'redis'] as const) {
    it(`has suppressed whom it told of before it said 250, on ${kind}`, async () => {
      const far = await world.domain('far.test')
      const store = kind === 'redis' ? (await world.redis()).url : 'lmdb:data/sluice'
      const options = { plugins: PLUGINS, sluice: `store: '${store}'\nfeedback: {bounces: [bounces@near.test]}\n` }
      let server = await world.server(options)
      for (let time = 0; time < TIMES; time++) {
        const bob = `bob${time}@far.test`
        await world.send(server, 1, { from: 'bounces@near.test', to: [bob] })
        await far.until('the message', () => far.messages.length === time + 1)
        const { text } = far.messages[time]!
        const client = await SmtpClient.greet(server.port)
        const { code, text: said } = await client.send(
          '',
          'bounces@near.test',
          bounceOf(bob, text.split('\r\n\r\n', 1)[0]!),
        )
        await server.stop('SIGKILL')
        assert.equal(code, 250, said)
        const { stdout, stderr } = await sluice('suppress', 'check', bob, '--dir', server.dir)
        assert.match(stdout, /hard_bounce/, `${time}: ${stderr}`)
        server = await world.server({ ...options, dir: server.dir })
      }
    })
  }
})

function bounceOf(recipient: string, header: string): string {
  return `From: MAILER-DAEMON@far.test
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.test

Final-Recipient: rfc822; ${recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b
Content-Type: text/rfc822-headers

${header}

--b--
`.replace(/\r?\n/g, '\r\n')
}
