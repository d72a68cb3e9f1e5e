import assert from 'node:assert/strict'
import { StoreError } from '../../../../src/store/store'
import { parseRedisUrl, redactText, redactUrl } from '../../../../src/store/redis/redis-url'

describe('parseRedisUrl', () => {
  const single = { mode: 'single', tls: false, database: 0 }

  const cases: [string, object][] = [
    ['redis://localhost', { ...single, hosts: [{ host: 'localhost', port: 6379 }] }],
    ['redis://10.0.0.1:7000/3', { ...single, hosts: [{ host: '10.0.0.1', port: 7000 }], database: 3 }],
    ['redis://[::1]:7000', { ...single, hosts: [{ host: '::1', port: 7000 }] }],
    ['rediss://host', { ...single, hosts: [{ host: 'host', port: 6379 }], tls: true }],
    ['redis://:p%40ss@host', { ...single, hosts: [{ host: 'host', port: 6379 }], password: 'p@ss' }],
    ['redis://me:a:b@host', { ...single, hosts: [{ host: 'host', port: 6379 }], username: 'me', password: 'a:b' }],
    ['redis://me:a@/?b@host', { ...single, hosts: [{ host: 'host', port: 6379 }], username: 'me', password: 'a@/?b' }],
    ['unix:/run/redis.sock', { ...single, hosts: [], socketPath: '/run/redis.sock' }],
    [
      'unix:///run/redis.sock?db=2&password=x',
      { ...single, hosts: [], socketPath: '/run/redis.sock', database: 2, password: 'x' },
    ],
    [
      'redis+sentinel://:x@a:1,b/mail/2',
      {
        ...single,
        mode: 'sentinel',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
        ],
        primary: 'mail',
        password: 'x',
        database: 2,
      },
    ],
    ['rediss+cluster://a:1', { mode: 'cluster', hosts: [{ host: 'a', port: 1 }], tls: true, database: 0 }],
  ]
  for (const [url, target] of cases) {
    it(`reads ${url}`, () => assert.deepEqual(parseRedisUrl(url), target))
  }

  const wrong = [
    'http://secret@host',
    'redis:secret@host',
    'redis://user:secret@',
    'redis://user:secret@host:99999',
    'redis://user:secret@host/db',
    'redis://user:secret%@host',
    'redis://user:secret@a,b',
    'redis://user:secret@host/0?x=1',
    'redis+sentinel://user:secret@host',
    'redis+cluster://user:secret@host/1',
    'unix:run/redis.sock?password=secret',
  ]
  for (const url of wrong) {
    it(`refuses ${url}, and keeps the secret`, () => {
      assert.throws(
        () => parseRedisUrl(url),
        (error: unknown) => {
          assert.ok(error instanceof StoreError)
          assert.equal(error.code, 'STORE_UNUSABLE')
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    })
  }
})

describe('redactUrl', () => {
  const cases: [string, string][] = [
    ['redis://host:6379/0', 'redis://host:6379/0'],
    ['redis://user:secret@host/0', 'redis://***@host/0'],
    ['redis://:se@cr/et@host', 'redis://***@host'],
    ['redis+sentinel://:secret@a:1,b:2/mail', 'redis+sentinel://***@a:1,b:2/mail'],
    ['unix:/run/redis.sock?db=1&password=secret&username=me', 'unix:/run/redis.sock?db=1&password=***&username=***'],
    ['user:secret@host', '***@host'],
  ]
  for (const [url, redacted] of cases) it(redacted, () => assert.equal(redactUrl(url), redacted))
})

describe('redactText', () => {
  it('takes the password out, plain and escaped', () => {
    const target = parseRedisUrl('redis://:p%40ss@host')
    assert.equal(redactText('unknown command AUTH, args: p@ss p%40ss', target), 'unknown command AUTH, args: *** ***')
  })
})
