import assert from 'node:assert/strict'
import { HarakaServer } from '../support/haraka'
import { SmtpClient } from '../support/smtp-client'

describe('hardening, end to end', function () {
  this.timeout(60_000)
  let server: HarakaServer
  before(async () => {
    server = await HarakaServer.start({
      sluice: 'mode: shadow\nstore: memory\ntrusted: []\n',
      // Everything that a stranger could relay with must be refused, also where an outbound queue stands ready.
      files: { 'outbound.ini': 'disabled=false\n' },
    })
  })
  after(() => server.remove())

  for (const [who, from] of [
    ['strangers', '127.0.0.1'],
    ['clients that may relay', '127.0.0.99'],
  ] as const) {
    it(`greets ${who} with its host name and ESMTP, and nothing else`, async () => {
      const client = await SmtpClient.connect(server.port, from)
      assert.equal((await client.reply()).text, '220 mx.local.test ESMTP')
      assert.doesNotMatch((await client.say('EHLO client.test')).text, /haraka/i)
      await client.quit()
    })
  }

  it('tells nothing of software or version in the Received header', async () => {
    const sink = await HarakaServer.start({
      sluice: 'mode: shadow\nstore: memory\ntrusted: []\n',
      plugins: ['sluice/plugins/hardening', 'rcpt_to.in_host_list', 'sluice/plugins/maildrop'],
    })
    try {
      const client = await SmtpClient.greet(sink.port)
      assert.equal((await client.send('a@example.com', 'u@local.test')).code, 250)
      const { readdirSync } = await import('node:fs')
      const [file] = readdirSync(`${sink.dir}/data/mail/local.test/u`)
      const text = sink.read(`data/mail/local.test/u/${file}`)
      assert.match(text, /^Received: from client\.test/)
      assert.match(text, /\n\nhello/)
      assert.doesNotMatch(text.slice(0, text.indexOf('Subject')), /haraka/i)
    } finally {
      await sink.remove()
    }
  })

  it('refuses VRFY and EXPN with 502, leaves an open transaction intact, and counts them', async () => {
    const client = await SmtpClient.greet(server.port)
    assert.equal((await client.say('VRFY root')).text, '502 5.5.1 VRFY is disabled')
    assert.equal((await client.say('EXPN staff')).text, '502 5.5.1 EXPN is disabled')
    assert.equal((await client.say('expn staff')).text, '502 5.5.1 EXPN is disabled')
    await client.say('MAIL FROM:<a@example.com>')
    await client.say('RCPT TO:<u@local.test>')
    assert.equal((await client.say('VRFY u')).code, 502)
    assert.equal((await client.say('EXPN u')).code, 502)
    assert.equal((await client.say('DATA')).code, 354, 'the transaction is still there')
    assert.equal((await client.say('Subject: x\r\n\r\nx\r\n.')).code, 250)
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_probes_total\{command="VRFY"\} 2$/m)
    assert.match(text, /^sluice_probes_total\{command="EXPN"\} 3$/m)
    await client.quit()
  })

  it('wants HELO before MAIL', async () => {
    const client = await SmtpClient.connect(server.port)
    await client.reply()
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 503)
    assert.equal((await client.say('HELO client.test')).code, 250)
    assert.equal((await client.say('MAIL FROM:<a@example.com>')).code, 250)
    await client.quit()
  })

  for (const recipient of [
    'someone@elsewhere.test',
    'someone%elsewhere.test@local.test',
    '"someone@elsewhere.test"@local.test',
    '"someone%elsewhere.test"@local.test',
    'elsewhere.test!someone@local.test',
    '@local.test:someone@elsewhere.test',
    'someone@elsewhere.test@local.test',
    'someone%elsewhere.test@[127.0.0.1]',
    'someone@[127.0.0.1]',
    'someone@local.test.elsewhere.test',
  ]) {
    it(`relays nothing for strangers: ${recipient}`, async () => {
      for (const sender of ['spammer@elsewhere.test', 'u@local.test', '']) {
        const client = await SmtpClient.greet(server.port)
        await client.say(`MAIL FROM:<${sender}>`)
        const { code, text } = await client.say(`RCPT TO:<${recipient}>`)
        assert.ok(code >= 500 && code < 600, text)
        await client.quit()
      }
    })
  }

  it('relays for networks that may', async () => {
    const client = await SmtpClient.greet(server.port, '127.0.0.99')
    await client.say('MAIL FROM:<u@local.test>')
    assert.equal((await client.say('RCPT TO:<someone@elsewhere.test>')).code, 250)
    await client.quit()
  })
})
