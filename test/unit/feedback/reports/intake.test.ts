import assert from 'node:assert/strict'
import { shippedResponses } from '../../../../src/config/responses/read'
import { Intake, type Taken } from '../../../../src/feedback/reports/intake'
import { readReport } from '../../../../src/feedback/reports/read-report'
import { Sealer } from '../../../../src/feedback/trace/seal'
import { writeTrace } from '../../../../src/feedback/trace/trace'
import { openStore } from '../../../../src/store/open-store'
import type { Store } from '../../../../src/store/store'
import { ORIGIN, SEALER, SENT_AT, envelope, sample, traceFor } from './samples'

const DAY_MS = 86_400_000

describe('what of a report is heeded', () => {
  let store: Store
  let now: number
  let provider: string
  const failures: unknown[] = []
  let intake: Intake

  beforeEach(async () => {
    store = openStore({ kind: 'memory' }, { onChange: () => undefined, onNotice: () => undefined })
    await store.open()
    now = SENT_AT + DAY_MS
    failures.length = 0
    provider = 'nets'
    intake = new Intake({
      sealer: SEALER,
      classifier: () => responses,
      providerOf: async (domain) => (domain === 'example.net' ? provider : undefined),
      store: () => store,
      expiresMs: () => 30 * DAY_MS,
      clock: () => now,
      onFailure: (error) => failures.push(error),
    })
  })
  afterEach(() => store.close())
  const responses = shippedResponses()

  const take = async (name: string, trace?: string, sender = '') =>
    intake.take(await readReport(sample(name, trace), envelope({ sender })))
  const told = ({ said }: Taken) => said.map(({ kind, recipient, answer }) => [kind, recipient, answer?.isHard])
  const ignored = (taken: Taken) => Object.fromEntries(taken.ignored)

  it('is whose message it was, to whom, and what the answer means', async () => {
    const { said } = await take('postfix')
    assert.equal(said.length, 1)
    const { answer, ...rest } = said[0]!
    assert.deepEqual(rest, {
      ...{ kind: 'bounced', recipient: 'bob@example.net', provider: 'nets', at: now, via: 'report', origin: ORIGIN },
      ...{ path: undefined, source: undefined },
    })
    const { responseClass, isHard, code, enhanced } = answer!
    assert.deepEqual([responseClass, isHard, code, enhanced], ['invalid', true, 550, '5.1.1'])
  })

  const hardness: Readonly<Record<string, boolean>> = {
    ...{ exim: false, 'exim-old': true, sendmail: true, qmail: true, microsoft365: true, 'exchange-old': true },
    ...{ gmail: true, haraka: true, courier: true, yahoo: true, lotus: true, 'lotus-old': true },
  }
  for (const [name, isHard] of Object.entries(hardness)) {
    it(`of ${name} is a ${isHard ? 'hard' : 'soft'} bounce`, async () => {
      if (name === 'yahoo') provider = name
      assert.deepEqual(told(await take(name)), [['bounced', 'bob@example.net', isHard]])
    })
  }

  it('of a delay is that it is deferred', async () => {
    assert.deepEqual(told(await take('postfix-delayed')), [['deferred', 'bob@example.net', false]])
  })

  it('is nothing without a trace, with one of others, with a changed one and with an old one', async () => {
    const foreign = traceFor(['bob@example.net'], ORIGIN, new Sealer([Buffer.alloc(32, 9)]))
    for (const [trace, why] of [
      ['', 'no_trace'],
      [foreign, 'forged'],
      [`${traceFor(['bob@example.net']).slice(0, -2)}AA`, 'forged'],
    ] as const) {
      const taken = await take('postfix', trace)
      assert.deepEqual([taken.said, ignored(taken), taken.trace], [[], { [why]: 1 }, undefined], why)
      const complaint = await take('arf-yahoo', trace)
      assert.deepEqual([complaint.said, ignored(complaint)], [[], { [why]: 1 }], why)
    }
    now = SENT_AT + 31 * DAY_MS
    assert.deepEqual(ignored(await take('postfix')), { expired: 1 })
  })

  it('is heeded once', async () => {
    assert.equal((await take('postfix')).said.length, 1)
    const again = await take('sendmail')
    assert.deepEqual([again.said, ignored(again)], [[], { repeated: 1 }])
    assert.deepEqual(
      told(await take('arf-yahoo')),
      [['complaint', 'bob@example.net', undefined]],
      'another kind is another matter',
    )
  })

  it('of a message to one is about him, whoever is named; what it was forwarded to is no hard bounce of his', async () => {
    const taken = await take('postfix', traceFor(['list@example.org']))
    assert.deepEqual(told(taken), [['bounced', 'list@example.org', false]])
    assert.deepEqual(told(await take('arf-aol', traceFor(['list@example.org']))), [
      ['complaint', 'list@example.org', undefined],
    ])
  })

  it('is no hard bounce of an address that is forwarded, although the report names it as the original', async () => {
    const reported = {
      ...({ original: 'list@example.org', action: 'failed', status: '5.1.1', remote: undefined } as const),
      diagnostic: 'smtp; 550 5.1.1 <eve@example.com>: Recipient address rejected: User unknown',
    }
    const about = (final: string) =>
      intake.take({
        ...({ kind: 'bounce', form: 'rfc3464', messageId: undefined, reporter: undefined } as const),
        trace: traceFor(['list@example.org'], { ...ORIGIN, message: final }),
        recipients: [{ ...reported, final }],
      })
    assert.deepEqual(told(await about('eve@example.com')), [['bounced', 'list@example.org', false]])
    assert.deepEqual(told(await about('List@example.org')), [['bounced', 'list@example.org', true]])
  })

  it('of a message to several is about those it went to alone', async () => {
    const trace = traceFor(['bob@example.net', 'ann@example.net'])
    assert.deepEqual(told(await take('postfix', trace)), [['bounced', 'bob@example.net', true]])
    const elsewhere = traceFor(['eve@example.net', 'ann@example.net'])
    for (const name of ['postfix', 'arf-yahoo', 'jmrp']) {
      const taken = await take(name, elsewhere)
      assert.deepEqual([taken.said, ignored(taken)], [[], { recipient: 1 }], name)
    }
    const redacted = await take('arf-aol', trace)
    assert.deepEqual([redacted.said, ignored(redacted)], [[], { recipient: 1 }])
  })

  it('is of no more recipients than the message had, whatever is sent again and again', async () => {
    // Told by a set that holds anybody: as of a message to very many.
    const many = Array.from({ length: 3000 }, (_, number) => `user${number}@example.net`)
    const trace = traceFor(many)
    const report = (from: number) => ({
      ...({ kind: 'bounce', form: 'rfc3464', trace, messageId: undefined, reporter: undefined } as const),
      recipients: Array.from({ length: 2000 }, (_, index) => ({
        ...({
          original: undefined,
          final: `made-up${from + index}@example.net`,
          action: 'failed',
          status: '5.1.1',
        } as const),
        ...{ diagnostic: '550 5.1.1 User unknown', remote: undefined },
      })),
    })
    let said = 0
    for (const from of [0, 2000, 4000]) said += (await intake.take(report(from))).said.length
    assert.ok(said <= 3000, `${said}`)
  })

  it('is heeded although the store does not answer', async () => {
    store.judge = () => Promise.reject(new Error('gone'))
    assert.deepEqual([told(await take('postfix')).length, failures.length], [1, 1])
  })

  it('is a wish to unsubscribe by the link, once, at any time', async () => {
    const token = writeTrace(SEALER, 'unsubscribe', { at: SENT_AT, origin: ORIGIN, recipients: ['bob@example.net'] })!
    now = SENT_AT + 400 * DAY_MS
    const { said } = (await intake.unsubscribe(token))!
    assert.deepEqual(said, [
      {
        ...{
          kind: 'unsubscribe',
          recipient: 'bob@example.net',
          provider: 'nets',
          answer: undefined,
          at: now,
          via: 'link',
        },
        ...{ origin: ORIGIN, path: undefined, source: undefined },
      },
    ])
    assert.deepEqual((await intake.unsubscribe(token))!.said, [])
    assert.equal(
      await intake.unsubscribe(traceFor(['bob@example.net'])),
      undefined,
      'the trace is in the hands of all recipients',
    )
    const mail = Buffer.from(`From: bob@example.net\r\nSubject: unsubscribe ${token}\r\n\r\n`)
    const known = { sender: 'bob@example.net', address: 'unsubscribe' } as const
    assert.deepEqual(ignored(await intake.take(await readReport(mail, envelope(known)))), { repeated: 1 })
  })
})
