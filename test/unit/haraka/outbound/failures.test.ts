import assert from 'node:assert/strict'
import { failureOf, textOf } from '../../../../src/haraka/outbound/failures'

describe('an error of a socket', () => {
  const error = (code: string, message = 'text') => Object.assign(new Error(message), { code })

  it('tells what became of the connection', () => {
    for (const [code, failure] of Object.entries({
      ...{ ENOTFOUND: 'dns', ECONNREFUSED: 'refused', ENETUNREACH: 'unreachable', ETIMEDOUT: 'timeout' },
      ...{
        ECONNRESET: 'reset',
        EPIPE: 'reset',
        EPROTO: 'tls',
        ERR_SSL_WRONG_VERSION_NUMBER: 'tls',
        ESTRANGE: 'closed',
      },
    })) {
      assert.equal(failureOf(error(code)), failure, code)
    }
  })

  it('of a host with several addresses is that of the first, and says all', () => {
    const both = new AggregateError([error('ECONNREFUSED', 'first'), error('ENETUNREACH', 'second')])
    assert.equal(failureOf(both), 'refused')
    assert.equal(textOf(both), 'first, second')
  })

  it('of OpenSSL is told without its source files', () => {
    const long = Object.assign(error('EPROTO', '40:error:0A00010B:SSL routines:ssl3_get_record:..'), {
      reason: 'wrong version',
    })
    assert.equal(textOf(long), 'wrong version')
    assert.equal(textOf(error('ECONNRESET', 'read ECONNRESET')), 'read ECONNRESET')
  })
})
