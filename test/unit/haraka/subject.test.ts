import assert from 'node:assert/strict'
import { Sessions } from '../../../src/haraka/session'
import { subjectOf } from '../../../src/haraka/subject'
import type { Connection } from '../../../src/haraka/types'
import type { Stage } from '../../../src/policy/subject'

describe('what is known of a message', () => {
  const results = (noted: object | undefined) => ({ get: (name: string) => (name === 'spf' ? noted : undefined) })

  /** The domain that SPF has proved, by what haraka-plugin-spf has noted of the HELO and of the sender. */
  function proved(from: string | null, { helo, mfrom }: { helo?: object; mfrom?: object }, stage: Stage = 'rcpt_ok') {
    const connection = {
      uuid: 'A',
      remote: { ip: '192.0.2.7' },
      local: { port: 25 },
      hello: { host: 'mx7.pool.example' },
      notes: {},
      relaying: false,
      results: results(helo),
      transaction: {
        uuid: 'A.1',
        mail_from: { user: from, host: from && 'news.example' },
        rcpt_to: [],
        results: results(mfrom),
      },
    } as unknown as Connection
    const circumstances = {
      ...{ tenants: new Map<string, string>(), token: {}, recipient: undefined, jail: undefined, steering: undefined },
      limitFactor: 1,
      suppressed: undefined,
      load: { level: 0, familiar: () => false },
    }
    return subjectOf(stage, connection, new Sessions(() => false).of(connection), circumstances).spfDomain
  }
  const pass = { result: 'Pass' }
  const helo = { scope: 'helo', domain: 'MX7.pool.example', ...pass }
  const mfrom = { scope: 'mfrom', domain: 'bounces.news.example', ...pass }

  it('is the organisational domain that SPF has proved for the sender', () => {
    assert.equal(proved('ann', { helo, mfrom }), 'news.example')
    assert.equal(proved('ann', { mfrom: { ...mfrom, result: 'Fail' } }), undefined)
    assert.equal(proved('ann', { mfrom }, 'connect'), undefined, 'nobody has asked yet')
  })

  it('is that of the HELO for a bounce, and for nothing else', () => {
    for (const from of ['', null]) assert.equal(proved(from, { helo }), 'pool.example')
    assert.equal(proved('', { helo: { ...helo, result: 'None' } }), undefined)
    assert.equal(proved('', { helo: { ...helo, domain: undefined } }), undefined)
    assert.equal(proved('', {}), undefined)
    assert.equal(proved('ann', { helo }), undefined)
  })
})
