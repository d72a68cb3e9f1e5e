import assert from 'node:assert/strict'
import { BrokenTls } from '../../../../src/haraka/outbound/broken-tls'

describe('hosts whose TLS is broken', () => {
  const host = (exchange: string, port = 25) => ({ exchange, port })
  let at: number
  let broken: BrokenTls

  beforeEach(() => {
    at = 0
    broken = new BrokenTls(() => at)
  })

  it('are known for an hour, by address, port and the TLS that was asked of them', () => {
    broken.add(host('192.0.2.1'), undefined)
    assert.equal(broken.has(host('192.0.2.1'), undefined), true)
    assert.equal(broken.has(host('192.0.2.1', 26), undefined), false)
    assert.equal(broken.has(host('192.0.2.2'), undefined), false)
    assert.equal(broken.has(host('192.0.2.1'), 'TLSv1.2'), false)
    at = 3_599_999
    assert.equal(broken.has(host('192.0.2.1'), undefined), true)
    at = 3_600_000
    assert.equal(broken.has(host('192.0.2.1'), undefined), false)
  })

  it('are 10,000 at most: the one known longest is forgotten', () => {
    broken.add(host('first'), undefined)
    broken.add(host('second'), undefined)
    broken.add(host('first'), undefined)
    for (let number = 0; number < 9999; number++) broken.add(host(`${number}`), undefined)
    assert.equal(broken.has(host('second'), undefined), false)
    assert.equal(broken.has(host('first'), undefined), true)
    assert.equal(broken.has(host('9998'), undefined), true)
  })
})
