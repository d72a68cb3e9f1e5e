import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readSecret } from '../../../../src/haraka/senders/secret-file'
import { Webhook, type WebhookOptions } from '../../../../src/haraka/senders/webhook'
import { WebhookSink, isSigned } from '../../../support/webhook-sink'

describe('webhook', () => {
  let sink: WebhookSink
  let failures: string[]
  let webhook: Webhook

  beforeEach(async () => {
    sink = await WebhookSink.start()
    failures = []
  })
  afterEach(async () => {
    webhook.close()
    await sink.stop()
  })

  function open(options: Partial<WebhookOptions> = {}): Webhook {
    return (webhook = new Webhook({
      url: () => sink.url,
      secret: () => 'a secret of some length',
      onFailure: (why) => failures.push(why),
      waitsMs: [1, 1, 1],
      timeoutMs: 1000,
      ...options,
    }))
  }
  async function tell(what: object): Promise<void> {
    webhook.tell(what)
    await webhook.settled()
  }

  it('tells in order, signed', async () => {
    open()
    webhook.tell({ number: 1 })
    await tell({ number: 2 })
    assert.deepEqual(
      sink.calls.map(({ body }) => body),
      ['{"number":1}', '{"number":2}'],
    )
    for (const call of sink.calls) assert.ok(isSigned(call, 'a secret of some length'))
    assert.notEqual(sink.calls[0]!.id, sink.calls[1]!.id)
  })

  it('tries again where that may help, and keeps the id', async () => {
    sink.answers.push(500, 429)
    open()
    await tell({ number: 1 })
    assert.equal(sink.calls.length, 3)
    assert.equal(new Set(sink.calls.map(({ id }) => id)).size, 1)
    assert.deepEqual(failures, [])
  })

  it('gives up at last, says so, and tells the next', async () => {
    sink.answers.push(500, 502, 503, 500)
    open()
    webhook.tell({ number: 1 })
    await tell({ number: 2 })
    assert.deepEqual(failures, ['it answers 500, after 4 tries: {"number":1}'])
    assert.equal(sink.calls.at(-1)!.body, '{"number":2}')
  })

  it('does not try again what is refused, and goes nowhere else', async () => {
    sink.answers.push(403, 302)
    open()
    await tell({ number: 1 })
    await tell({ number: 2 })
    assert.deepEqual(failures, [
      'it answers 403, after 1 try: {"number":1}',
      'it answers 302, after 1 try: {"number":2}',
    ])
    assert.equal(sink.calls.length, 2)
  })

  it('waits for no answer for long', async () => {
    sink.answers.push('hang')
    open({ timeoutMs: 50 })
    await tell({ number: 1 })
    assert.deepEqual([sink.calls.length, failures], [2, []])
  })

  it('says when nobody is there, or the secret cannot be read', async () => {
    open({ url: () => 'http://127.0.0.1:1/', waitsMs: [] })
    await tell({ number: 1 })
    open({
      secret: () => {
        throw new Error('no secret')
      },
      waitsMs: [],
    })
    await tell({ number: 2 })
    assert.match(failures[0]!, /fetch failed \(.*ECONNREFUSED|bad port/)
    assert.match(failures[1]!, /^no secret, after 1 try/)
    assert.deepEqual(sink.calls, [])
  })

  it('keeps so many waiting and no more, and none after its end', async () => {
    sink.answers.push('hang')
    open()
    for (let number = 0; number < 103; number++) webhook.tell({ number })
    assert.deepEqual(failures, [
      '100 calls wait already, one more was left out',
      '100 calls wait already, one more was left out',
    ])
    webhook.close()
    await webhook.settled()
    webhook.tell({ number: 104 })
    assert.ok(sink.calls.length <= 1)
  })
})

describe('file of a secret', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'sluice-secret-'))))
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is made when it is not there, for its owner alone', () => {
    const file = path.join(folder, 'data/secret')
    const secret = readSecret(file)
    assert.match(secret, /^[\w-]{43}$/)
    assert.equal(readSecret(file), secret)
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  it('must hold one', () => {
    const file = path.join(folder, 'secret')
    writeFileSync(file, 'short\n')
    assert.throws(() => readSecret(file), /holds no secret: one line of at least 16 characters/)
  })
})
