import assert from 'node:assert/strict'
import fc from 'fast-check'
import { foldSender } from '../../../src/keys/mailbox'
import { decisionLine, parseDecisionLine } from '../../../src/telemetry/decision-record'
import { AT, decision, outcome, recipient, shadowed, subject } from './fixtures'

describe('decision record', () => {
  it('says what a decision needs, and leaves out what is empty', () => {
    assert.equal(
      decisionLine(outcome()),
      `{"v":1,"t":${AT},"stage":"mail","id":"0E1F2A3B-0000-4000-8000-000000000001.1","ip":"192.0.2.1",` +
        '"helo":"mx.example.com","sender":"list@example.com","age":1000}\n',
    )
    const full = outcome({
      subject: subject({
        stage: 'rcpt_ok',
        client: { ...subject().client, trusted: true },
        session: { ...subject().session, recipients: 2, errors: 1, junk: 3 },
        direction: 'submission',
        account: 'carol',
        tenant: 'acme',
        recipient,
        sizeBytes: 1234,
      }),
      decisions: [decision(), shadowed],
      exemptions: [{ rule: 'client', because: 'trusted network' }],
      degraded: true,
    })
    assert.equal(
      decisionLine(full),
      `{"v":1,"t":${AT},"stage":"rcpt_ok","id":"0E1F2A3B-0000-4000-8000-000000000001.1","ip":"192.0.2.1",` +
        '"trusted":true,"direction":"submission","account":"carol","tenant":"acme","helo":"mx.example.com",' +
        '"sender":"list@example.com","recipient":"you@example.net","size":1234,"age":1000,' +
        '"recipients":2,"errors":1,"junk":3,"result":"defer","degraded":true,"decisions":[' +
        '{"ref":"7KQ2XYZ","rule":"sender","plugin":"messages","mode":"enforce","action":"defer","enforced":true,' +
        '"key":"sender|list@example.com","count":5,"limit":5,"windowMs":60000,"retryAfterMs":36500,"reason":"limit"},' +
        '{"ref":"7KQ2XYZ","rule":"sender","plugin":"messages","mode":"shadow","action":"accept","remedy":"defer",' +
        '"enforced":false,"key":"sender|list@example.com","count":5,"limit":5,"windowMs":60000,' +
        '"retryAfterMs":36500,"reason":"limit"}],"exempt":[{"rule":"client","because":"trusted network"}]}\n',
    )
  })

  it('fills in what is left out', () => {
    const record = parseDecisionLine(decisionLine(outcome()))!
    assert.deepEqual([record.direction, record.result, record.started], ['inbound', 'accept', AT - 1000])
    assert.equal(record.session, '0E1F2A3B-0000-4000-8000-000000000001')
  })

  it('reads back what was written, whatever a client sends', () => {
    const text = fc.string({ unit: 'binary', maxLength: 512 })
    fc.assert(
      fc.property(text, text, text, (helo, account, local) => {
        const sender = { ...foldSender('x', 'example.com'), address: local }
        const line = decisionLine(outcome({ subject: subject({ helo, account, sender }) }))
        assert.equal(line.indexOf('\n'), line.length - 1)
        const record = parseDecisionLine(Buffer.from(line).toString().slice(0, -1))!
        assert.deepEqual([record.helo, record.account, record.sender], [helo, account, local])
      }),
    )
  })

  it('cuts endless text, and knows never', () => {
    const line = decisionLine(
      outcome({
        subject: subject({ helo: 'x'.repeat(10_000) }),
        decisions: [decision({ retryAfterMs: Infinity })],
      }),
    )
    const record = parseDecisionLine(line)!
    assert.equal(record.helo, 'x'.repeat(512) + '…')
    assert.equal(record.decisions[0]!.retryAfterMs, Infinity)
    assert.equal(record.degraded, false)
    assert.deepEqual(record.exempt, [])
  })

  it('takes nothing else for a record', () => {
    const good = decisionLine(outcome({ decisions: [decision()] }))
    const strange = ['', '{', 'null', '7', '[]', '{}', good.replace('"v":1', '"v":2'), good.slice(0, -40)]
    strange.push(good.replace('"id":"', '"id":7,"was":"'), good.replace(/"decisions":\[.*\]/, '"decisions":[null]'))
    for (const line of strange) assert.equal(parseDecisionLine(line), undefined, line)
    assert.ok(parseDecisionLine(good.replace('{', '{"unknown":[1],')))
  })
})
