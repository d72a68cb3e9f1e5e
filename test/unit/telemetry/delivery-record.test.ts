import assert from 'node:assert/strict'
import fc from 'fast-check'
import { deliveryLine, parseDeliveryLine } from '../../../src/telemetry/delivery-record'
import { AT, attempt, delivered, unreached } from './fixtures'

const readBack = (line: string) => parseDeliveryLine(Buffer.from(line).toString().slice(0, -1))

describe('delivery record', () => {
  it('says what happened, and leaves out what is empty', () => {
    assert.equal(
      deliveryLine(attempt()),
      `{"v":1,"t":${AT},"id":"0E1F2A3B-0000-4000-8000-000000000001.1.2","file":"1785849725000_aBcDeF",` +
        '"path":"egress|default|google","source":"default","provider":"google","class":"system",' +
        '"tenant":"example.com","sender":"list@example.com","recipients":["you@example.net","they@example.net"],' +
        `"domain":"example.net","deferred":2,"attempts":3,"age":2520000,"waited":12040,"took":1312,"retry":${AT + 300_000},` +
        '"host":"gmail-smtp-in.l.google.example","ip":"198.51.100.26","session":"reused","tls":"TLSv1.3","verified":true,' +
        '"phases":{"mail":40,"rcpt":81,"data":1190},"phase":"data","code":421,"enhanced":"4.7.28",' +
        '"text":"Gmail has detected an unusual rate\\nof unsolicited mail",' +
        '"about":"rate","scope":"source","rule":"google_rate_ip"}\n',
    )
    const bare = attempt({
      ...unreached,
      ...{ provider: undefined, tenant: '', sender: '', recipients: [], host: undefined, ip: undefined },
      ...{ retryAt: undefined, phasesMs: {}, phase: undefined, waitedMs: 0, text: '', attempts: 1 },
    })
    assert.equal(
      deliveryLine(bare),
      `{"v":1,"t":${AT},"id":"0E1F2A3B-0000-4000-8000-000000000001.1.2","file":"1785849725000_aBcDeF",` +
        '"path":"egress|default|google","source":"default","class":"system","sender":"<>","domain":"example.net",' +
        '"deferred":2,"attempts":1,"age":2520000,"took":1312,"failure":"timeout"}\n',
    )
  })

  it('fills in what is left out', () => {
    const record = readBack(deliveryLine(attempt({ ...delivered, sender: '', provider: undefined })))!
    assert.deepEqual(
      [record.result, record.bounced, record.provider, record.retry, record.failure, record.sender, record.intake],
      ['delivered', 0, undefined, undefined, undefined, '<>', '0E1F2A3B-0000-4000-8000-000000000001'],
    )
    assert.equal(readBack(deliveryLine(attempt({ delivered: 1 })))?.result, 'mixed')
  })

  it('reads back what was written, whatever others write', () => {
    const text = fc.string({ unit: 'binary', maxLength: 500 })
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 10 }), fc.nat(), (reply, tenant, recipients, ms) => {
        const event = attempt({ text: reply, tenant, recipients, waitedMs: ms, phasesMs: { connect: ms } })
        const line = deliveryLine(event)
        assert.equal(line.indexOf('\n'), line.length - 1)
        assert.match(line, /^\{"v":1,"t":\d+,/)
        const record = readBack(line)!
        assert.deepEqual([record.text, record.tenant ?? '', record.waited], [reply, tenant, ms])
        assert.deepEqual(
          record.recipients,
          recipients.map((recipient) => recipient.toLowerCase() || '<>'),
        )
        assert.equal(record.phases.connect ?? 0, ms)
      }),
    )
  })

  it('is bounded, whatever an event holds', () => {
    const endless = 'x'.repeat(10_000)
    const line = deliveryLine(
      attempt({
        ...{ id: endless, path: endless, sender: endless, domain: endless, host: endless, text: endless },
        recipients: Array.from({ length: 1000 }, () => endless),
        phasesMs: Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`p${index}`, 1])),
      }),
    )
    assert.ok(line.length < 20_000, `${line.length}`)
    assert.equal(readBack(line)?.text, 'x'.repeat(1000) + '…')
  })

  it('takes nothing else for a record', () => {
    const good = deliveryLine(attempt()).slice(0, -1)
    const strange = ['', '{', 'null', '7', '[]', '{}', good.replace('"v":1', '"v":2'), good.slice(0, -40)]
    strange.push(good.replace('"id":"', '"id":7,"was":"'), good.replace(/"recipients":\[.*?\]/, '"recipients":[null]'))
    strange.push(good.replace(/"phases":\{.*?\}/, '"phases":7'), good.replace(/"path":".*?"/, '"path":null'))
    for (const line of strange) assert.equal(parseDeliveryLine(line), undefined, line)
    assert.ok(parseDeliveryLine(good.replace('{"v":1', '{"unknown":[1],"v":1')))
  })
})
