import assert from 'node:assert/strict'
import { toStoreError } from '../../../../src/store/redis/redis-error'

describe('toStoreError', () => {
  const NOAUTH = 'NOAUTH Authentication required'

  it('asks for a password where there is none, and for another where there is one', () => {
    assert.match(toStoreError(NOAUTH, 'redis://h').message, /put the password into the URL/)
    assert.match(toStoreError(NOAUTH, 'redis://***@h', undefined, true).message, /correct the user and password/)
  })

  it('says what the connection had to say before it was closed', () => {
    const error = toStoreError('Connection is closed', 'redis://h', 'connect ECONNREFUSED 127.0.0.1:1')
    assert.deepEqual([error.code, /ECONNREFUSED/.test(error.message)], ['STORE_UNREACHABLE', true])
  })
})
