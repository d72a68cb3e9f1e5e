import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Attempt, type FailureKind } from '../../../../src/egress/attempt'
import { parseReply } from '../../../../src/egress/smtp-reply'
import { Reporter, type Told } from '../../../../src/haraka/outbound/reports'
import { FakeItem, QUEUED_AT } from './fake-item'

const HOST = { host: 'mx.far.test', ip: '192.0.2.1', port: 25 }

describe('what senders are told', () => {
  let sent: { to: unknown; contents: string }[]
  beforeEach(() => (sent = []))

  const reporter = new Reporter({
    host: () => 'mx.near.test',
    send: (to, contents) => {
      sent.push({ to, contents })
      return Promise.resolve()
    },
    clock: () => QUEUED_AT + 60_000,
  })

  async function tell(fake: FakeItem, told: Partial<Told> = {}): Promise<string> {
    await reporter.tell({
      ...{ kind: 'failed', item: fake.item, attempt: undefined, lastAttemptAt: QUEUED_AT + 30_000 },
      ...{ hasExpired: false, retryUntil: undefined, error: 'what Haraka says' },
      ...told,
    })
    return (sent.at(-1)?.contents ?? '').replaceAll('\r\n ', ' ')
  }

  /** Values of a field, one for each recipient. */
  const valuesOf = (contents: string, field: string) =>
    [...contents.matchAll(new RegExp(`^${field}: (.*)\r$`, 'gm'))].map(([, value]) => value)

  /** An attempt at which each recipient got this answer to RCPT. */
  function attemptAt(fake: FakeItem, ...answers: string[]): Attempt {
    const attempt = new Attempt(fake.todo!.rcpt_to.map(({ address }) => address))
    attempt.tries(HOST)
    attempt.replied('mail', parseReply(['250 fine']))
    for (const answer of answers) attempt.replied('rcpt', parseReply([answer]))
    return attempt
  }

  it('is what each recipient was answered, with all digits of its code', async () => {
    const fake = new FakeItem({ recipients: ['a@far.test', 'b@far.test'] })
    const attempt = attemptAt(fake, '550 5.7.606 Access denied', '452 4.7.28 Unusual rate')
    const contents = await tell(fake, { attempt })
    assert.deepEqual(valuesOf(contents, 'Final-Recipient'), ['rfc822; a@far.test', 'rfc822; b@far.test'])
    assert.deepEqual(valuesOf(contents, 'Status'), ['5.7.606', '5.7.28'])
    assert.deepEqual(valuesOf(contents, 'Diagnostic-Code'), [
      'smtp; 550 5.7.606 Access denied',
      'smtp; 452 4.7.28 Unusual rate',
    ])
    assert.deepEqual(valuesOf(contents, 'Remote-MTA'), Array(2).fill('dns; mx.far.test'))
    assert.deepEqual(sent[0]!.to, fake.todo!.mail_from)
  })

  it('is what was answered to the whole, where recipients were not asked', async () => {
    const fake = new FakeItem()
    const attempt = new Attempt(['bob@far.test'])
    attempt.tries(HOST)
    attempt.replied('mail', parseReply(['554 5.7.1 not from you']))
    assert.deepEqual(valuesOf(await tell(fake, { attempt }), 'Diagnostic-Code'), ['smtp; 554 5.7.1 not from you'])
  })

  it('is of the recipients that are left, when Haraka has split off those that were refused', async () => {
    const whole = new FakeItem({ recipients: ['a@far.test', 'b@far.test', 'c@far.test'] })
    const attempt = attemptAt(whole, '550 5.1.1 no a', '250 fine', '551 5.1.6 c moved')
    attempt.replied('data', parseReply(['354 go']))
    attempt.replied('dot', parseReply(['250 taken']))
    const contents = await tell(new FakeItem({ recipients: ['a@far.test', 'c@far.test'] }), { attempt })
    assert.deepEqual(valuesOf(contents, 'Diagnostic-Code'), ['smtp; 550 5.1.1 no a', 'smtp; 551 5.1.6 c moved'])
  })

  it('is why there was no answer, with a code for it', async () => {
    const codes: Partial<Record<FailureKind, string>> = {
      ...{ dns: '5.4.3', refused: '5.4.1', unreachable: '5.4.1', timeout: '5.4.1' },
      ...{ reset: '5.4.2', closed: '5.4.2', tls: '5.7.5', protocol: '5.5.0' },
    }
    for (const [failure, status] of Object.entries(codes)) {
      const attempt = new Attempt(['bob@far.test'])
      attempt.tries(HOST)
      attempt.failed('connect', failure as FailureKind, 'it did not work')
      const contents = await tell(new FakeItem(), { attempt })
      assert.deepEqual(valuesOf(contents, 'Status'), [status], failure)
      assert.deepEqual(valuesOf(contents, 'Diagnostic-Code'), [
        'x-sluice; mx.far.test [192.0.2.1]: it did not work (at connect).',
      ])
    }
  })

  it('is what we found without asking a host, else what Haraka says', async () => {
    const fake = new FakeItem()
    Object.assign(fake.todo!.rcpt_to[0]!, { dsn_msg: 'DNS does not say.', dsn_status: '4.4.3' })
    const found = await tell(fake, { attempt: new Attempt(['bob@far.test']) })
    assert.deepEqual(valuesOf(found, 'Diagnostic-Code'), ['x-sluice; DNS does not say.'])
    assert.deepEqual(valuesOf(found, 'Status'), ['5.4.3'])
    assert.deepEqual(valuesOf(await tell(new FakeItem()), 'Diagnostic-Code'), ['x-sluice; what Haraka says'])
  })

  it('is that it is too old, and until when it is tried', async () => {
    assert.deepEqual(valuesOf(await tell(new FakeItem(), { hasExpired: true }), 'Status'), ['5.4.7'])
    const delayed = await tell(new FakeItem(), { kind: 'delayed', retryUntil: QUEUED_AT + 86_400_000 })
    assert.deepEqual(valuesOf(delayed, 'Action'), ['delayed'])
    assert.equal(valuesOf(delayed, 'Will-Retry-Until').length, 1)
  })

  it('is nothing when there is no sender', async () => {
    await tell(new FakeItem({ sender: '' }))
    assert.equal(sent.length, 0)
  })

  it('has the header of the message, or none when that cannot be read, and rejects when it cannot be queued', async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-report-'))
    const file = path.join(directory, 'message')
    writeFileSync(file, `${'x'.repeat(100)}Subject: hello\r\nX-Mine: yes\r\n\r\nsecret body`)
    const contents = await tell(new FakeItem({ path: file }))
    rmSync(directory, { recursive: true })
    assert.match(contents, /^X-Mine: yes\r$/m)
    assert.doesNotMatch(contents, /secret/)
    assert.match(await tell(new FakeItem()), /^Final-Recipient/m)
    const ill = new Reporter({ host: () => 'h', send: () => Promise.reject(new Error('full')) })
    const { item } = new FakeItem()
    const told = { kind: 'failed', item, attempt: undefined, lastAttemptAt: undefined, hasExpired: false } as const
    await assert.rejects(ill.tell({ ...told, retryUntil: undefined, error: '' }), /full/)
  })
})
