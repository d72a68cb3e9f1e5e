import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { HarakaServer } from '../support/haraka'
import { eventually } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import { SmtpClient } from '../support/smtp-client'
import type { Misdeed, SmtpSink } from '../support/smtp-sink'

const BIN = path.resolve(__dirname, '../../bin/sluice.js')
const run = promisify(execFile)

const CONFIG = `store: lmdb:data/sluice
feedback:
  bounces: [bounces@near.test]
  complaints: [fbl@near.test]
  unsubscribe: [unsubscribe@near.test]
  unsubscribe_url: https://mail.near.test/unsubscribe/
`
const PLUGINS = ['sluice/plugins/feedback', 'rcpt_to.in_host_list', 'sluice/plugins/maildrop']
/** What `sluice feedback stats` counts, in its order. */
const HARD = { delivered: 0, deferred: 0, soft: 0, hard: 1, complaint: 0, unsubscribe: 0 }

describe('what others say of our mail, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let far: SmtpSink
  let answer: Misdeed

  beforeEach(async () => {
    answer = undefined
    world = await MailWorld.start()
    far = await world.domain('far.test', { misdeed: (verb) => (verb === 'RCPT' ? answer : undefined) })
  })
  afterEach(() => world.end())

  const start = (nodes = 0) => world.server({ sluice: CONFIG, plugins: PLUGINS, nodes })

  /** The header of a message as it came to its recipient. */
  async function send(server: HarakaServer, headers = 'X-Sluice-Campaign: july\r\n'): Promise<string> {
    const before = far.messages.length
    await world.send(server, 1, { from: 'bounces@near.test', account: 'shop@example.com', headers })
    await far.until('the message', () => far.messages.length > before)
    const { text } = far.messages.at(-1)!
    return text.slice(0, text.indexOf('\r\n\r\n'))
  }

  async function tell(server: HarakaServer, to: string, report: string, sender = ''): Promise<void> {
    const client = await SmtpClient.greet(server.port)
    const reply = await client.send(sender, to, report)
    assert.equal(reply.code, 250, reply.text)
    await client.quit()
  }

  interface Row {
    readonly by: string
    readonly tenant?: string
    readonly campaign?: string
    readonly windows: Readonly<Record<string, Readonly<Record<string, number>>>>
  }

  async function rows(server: HarakaServer, ...options: readonly string[]): Promise<Row[]> {
    const { stdout } = await run(process.execPath, [
      BIN,
      'feedback',
      'stats',
      ...options,
      '--json',
      '--dir',
      server.dir,
    ])
    return JSON.parse(stdout) as Row[]
  }

  /** What is counted of the last hour, but for what was said in sessions. */
  async function stats(server: HarakaServer, ...options: readonly string[]): Promise<Record<string, object>> {
    const all = await rows(server, ...options)
    return Object.fromEntries(all.map(({ by, windows }) => [by, { ...windows['1h'], delivered: 0, deferred: 0 }]))
  }

  it('is counted by tenant, account, provider and campaign when a bounce comes back; once', async () => {
    const server = await start()
    const header = await send(server)
    await tell(server, 'bounces@near.test', bounce(header))
    await server.waitForLog(
      /feedback=bounce form=rfc3464 .* hard=1 .* tenant=example\.com account=shop@example\.com campaign=july /,
    )
    await tell(server, 'Bounces+7@near.test', bounce(header))
    await server.waitForLog(/feedback=bounce .* hard=0 .* why=repeated /)
    await eventually(async () => {
      assert.deepEqual(await stats(server), { tenant: HARD, account: HARD, provider: HARD, campaign: HARD })
    })
    assert.deepEqual(await stats(server, '--campaign', 'june'), {})
    const { text } = await server.get('/metrics')
    assert.match(text, /^sluice_feedback_total\{kind="hard",provider="other"\} 1$/m)
    assert.match(text, /^sluice_feedback_reports_total\{report="bounce",via="report"\} 2$/m)
  })

  it('changes nothing where the trace is forged, is missing, or is of another recipient', async () => {
    const server = await start()
    const header = await send(server)
    const forged = header.replace(/(?<=X-Sluice-Trace: .{30})./, (letter) => (letter === 'A' ? 'B' : 'A'))
    assert.notEqual(forged, header)
    await tell(server, 'bounces@near.test', bounce(forged))
    await server.waitForLog(/feedback=bounce .* ignored=1 why=forged provider=- tenant=- /)
    await tell(server, 'fbl@near.test', complaint(forged), 'fbl@far.test')
    await tell(server, 'fbl@near.test', complaint('Subject: nothing of ours'), 'fbl@far.test')
    await server.waitForLog(/feedback=complaint .* ignored=1 why=no_trace /)
    // Counters are written in order: when this one is there, so is all that was said before.
    await send(server)
    const all = await whenDelivered(server, 2)
    for (const [by, counts] of Object.entries(all)) assert.deepEqual(counts, { ...HARD, delivered: 2, hard: 0 }, by)
    assert.match((await server.get('/metrics')).text, /^sluice_feedback_ignored_total\{why="forged"\} 2$/m)
  })

  /** What is counted once so many deliveries are. */
  async function whenDelivered(server: HarakaServer, count: number): Promise<Record<string, object>> {
    for (const until = Date.now() + 20_000; ;) {
      const all = await rows(server, '--tenant', 'example.com', '--account', 'shop@example.com')
      const found = Object.fromEntries(all.map(({ by, windows }) => [by, { ...HARD, hard: 0, ...windows['1h'] }]))
      if (all.length > 0 && all.every(({ windows }) => windows['1h']?.delivered === count)) return found
      assert.ok(Date.now() < until, JSON.stringify(found))
    }
  }

  it('ends no loop in another: what we have said ourselves, and what machines answer, is not heeded', async () => {
    const near = await world.domain('near.test')
    const server = await start()
    const header = await send(server)
    answer = '550 5.1.1 no bob here'
    await world.send(server, 1, { from: 'bounces@near.test', account: 'shop@example.com' })
    await near.until('our own report', () => near.messages.length > 0)
    await tell(server, 'bounces@near.test', near.messages[0]!.text)
    await server.waitForLog(/feedback=unheeded .* why=own /)
    await tell(server, 'bounces@near.test', bounce(`${header}\r\nContent-Type: multipart/report; boundary=x`))
    await server.waitForLog(/feedback=unheeded .* why=loop /)
    await tell(
      server,
      'bounces@near.test',
      `Auto-Submitted: auto-replied\r\nSubject: away\r\n\r\nI am away`,
      'bob@far.test',
    )
    await server.waitForLog(/feedback=unheeded .* why=auto_reply /)
    await world.emptied(server)
    assert.equal(near.messages.length, 1)
  })

  it('is kept where no report can be made of it, and nobody is refused for it', async () => {
    const server = await start()
    await tell(server, 'bounces@near.test', 'Subject: hello\r\n\r\nWho are you?', 'ann@far.test')
    await tell(server, 'bounces@near.test', nested(40), 'ann@far.test')
    await server.waitForLog(/feedback=unreadable .* why=unreadable .*reason="Maximum MIME nesting depth/)
    const { stdout } = await run('ls', [path.join(server.dir, 'data/reports')])
    assert.equal(stdout.trim().split('\n').length, 2)
  })

  it('comes with mail to people, who get theirs', async () => {
    const server = await start()
    const client = await SmtpClient.greet(server.port)
    const reply = await client.send('', ['bounces@near.test', 'you@local.test'], bounce(await send(server)))
    assert.equal(reply.code, 250, reply.text)
    await server.waitForLog(/feedback=bounce .* hard=1 /)
    await eventually(async () => {
      const { stdout } = await run('find', [path.join(server.dir, 'data/mail'), '-name', '*.eml'])
      assert.equal(stdout.trim().split('\n').length, 1)
    })
  })

  for (const nodes of [0, 1]) {
    it(`is that somebody wants no more, by one click (nodes=${nodes})`, async () => {
      const server = await start(nodes)
      const header = await send(server, 'X-Sluice-Class: marketing\r\n')
      assert.match(header, /^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m)
      const link = /^List-Unsubscribe: <https:\/\/mail\.near\.test(\/unsubscribe\/[\w-]+)>/m.exec(header)?.[1]
      assert.ok(link !== undefined, header)
      assert.doesNotMatch(await send(server), /List-Unsubscribe/, 'no newsletter')
      const url = `http://127.0.0.1:${server.httpPort}${link}`
      const page = await fetch(url)
      assert.equal(page.status, 200)
      assert.match(await page.text(), /<form method="post">/)
      assert.equal((await fetch(url, { method: 'POST', body: 'x=y' })).status, 400)
      assert.doesNotMatch(server.log, /feedback=unsubscribe/)
      const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
      assert.equal((await fetch(url, { method: 'POST', body })).status, 200)
      await server.waitForLog(/feedback=unsubscribe form=one-click via=link .* unsubscribe=1 .* tenant=example\.com /)
      assert.equal((await fetch(`${url}x`, { method: 'POST', body })).status, 404)
      assert.equal((await fetch(url, { method: 'POST', body })).status, 200)
      await eventually(async () => {
        const counted = (await stats(server, '--tenant', 'example.com')) as Record<string, { unsubscribe: number }>
        assert.equal(counted.tenant?.unsubscribe, 1)
      })
    })
  }

  it('may be a report of 20 MB, while other mail goes on', async () => {
    const server = await start()
    const header = await send(server)
    const large = tell(server, 'bounces@near.test', bounce(header, `${'x'.repeat(70)}\r\n`.repeat(280_000)))
    let isOver = false
    const over = large.finally(() => (isOver = true))
    const times: number[] = []
    const client = await SmtpClient.greet(server.port)
    while (!isOver) {
      const began = performance.now()
      assert.equal((await client.send('ann@far.test', 'you@local.test')).code, 250)
      times.push(performance.now() - began)
    }
    await over
    await server.waitForLog(/feedback=bounce .* hard=1 /)
    times.sort((a, b) => a - b)
    assert.ok(times.length > 5 && times.at(-1)! < 2000, `${times.length} messages, the slowest ${times.at(-1)} ms`)
  })
})

function bounce(header: string, body = ''): string {
  return [
    'From: MAILER-DAEMON@mx.far.test',
    'Subject: Undelivered',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '\r\n--b\r\n\r\nIt could not be delivered.',
    '--b\r\nContent-Type: message/delivery-status\r\n',
    'Reporting-MTA: dns; mx.far.test\r\n',
    'Final-Recipient: rfc822; bob@far.test\r\nAction: failed\r\nStatus: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 <bob@far.test>: User unknown\r\n',
    `--b\r\nContent-Type: message/rfc822\r\n\r\n${header}\r\n\r\n${body}`,
    '--b--',
  ].join('\r\n')
}

function complaint(header: string): string {
  return [
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b',
    '\r\n--b\r\nContent-Type: message/feedback-report\r\n',
    'Feedback-Type: abuse\r\nVersion: 1\r\nOriginal-Rcpt-To: bob@far.test\r\n',
    `--b\r\nContent-Type: message/rfc822\r\n\r\n${header}\r\n\r\nhello`,
    '--b--',
  ].join('\r\n')
}

function nested(depth: number): string {
  let text = 'x'
  for (let level = 0; level < depth; level++) {
    text = `Content-Type: multipart/mixed; boundary=n${level}\r\n\r\n--n${level}\r\n${text}\r\n--n${level}--`
  }
  return text
}
