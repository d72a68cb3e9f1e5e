import assert from 'node:assert/strict'
import type { HarakaServer } from '../support/haraka'
import { MailWorld } from '../support/mail-world'
import { SmtpClient } from '../support/smtp-client'
import type { SmtpSink } from '../support/smtp-sink'

const CONFIG = `store: lmdb:data/sluice
feedback:
  bounces: [bounces@near.test]
  complaints: [fbl@near.test]
  unsubscribe: [unsubscribe@near.test]
  unsubscribe_url: https://mail.near.test/unsubscribe/
`
const PLUGINS = ['sluice/plugins/feedback', 'rcpt_to.in_host_list']

describe('what others say of our mail, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
    far = await world.domain('far.test')
  })
  afterEach(() => world.end())

  async function send(server: HarakaServer, headers = '', to = ['bob@far.test']): Promise<string> {
    const before = far.messages.length
    await world.send(server, 1, { from: 'bounces@near.test', account: 'shop@example.com', headers, to })
    await far.until('the message', () => far.messages.length > before)
    return far.messages.at(-1)!.text
  }

  it('a bounce comes back', async () => {
    const server = await world.server({ sluice: CONFIG, plugins: PLUGINS })
    const text = await send(server, 'X-Sluice-Campaign: july\r\n')
    console.log(text)
    const client = await SmtpClient.greet(server.port)
    const header = text.slice(0, text.indexOf('\r\n\r\n'))
    const dsn = `Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.far.test\r\n\r\nFinal-Recipient: rfc822; bob@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n${header}\r\n\r\n--b--`
    const reply = await client.send('', 'bounces@near.test', dsn)
    assert.equal(reply.code, 250, reply.text)
    await server.waitForLog(/feedback=bounce/)
    console.log(server.log.split('\n').filter((l) => /feedback|error/i.test(l)).join('\n'))
  })
})
