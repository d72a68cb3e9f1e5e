import assert from 'node:assert/strict'
import { makeConnection as makeFixture } from 'haraka-test-fixtures'
import { loadPolicy } from '../../../../src/config/load'
import type { Policy } from '../../../../src/config/compile'
import { OWN_MAIL, labelMessage, labelOf, notesOf } from '../../../../src/haraka/outbound/label'
import type { Runtime } from '../../../../src/haraka/runtime'
import { Sessions } from '../../../../src/haraka/session'
import type { Connection } from '../../../../src/haraka/types'
import { TestDirectory } from '../../config/fixtures'

/** What we use of a connection of haraka-test-fixtures. */
interface FixtureTransaction {
  notes: Record<string, unknown>
  mail_from: unknown
  header: { add_end(name: string, value: string): void; lines(): string[] }
}
interface FixtureConnection {
  transaction: FixtureTransaction | null
  relaying: boolean
  results: { add(plugin: { name: string }, result: object): void }
  lognotice: (line: string) => void
  logdebug: (line: string) => void
}
const makeConnection = (options: object) => makeFixture(options) as FixtureConnection

const CONFIG = `trusted: [192.0.2.200]
tenants: { example.com: acme }
egress:
  tenants: { acme: { class: marketing } }
  accounts: { shop@example.net: { class: transactional } }
`

function policyOf(yaml: string): Policy {
  const directory = new TestDirectory(yaml)
  const loaded = loadPolicy(directory.path)
  directory.remove()
  assert.ok('policy' in loaded)
  return loaded.policy
}

interface Message {
  readonly account?: string
  readonly ip?: string
  readonly from?: string
  readonly header?: readonly string[]
  readonly campaign?: string
  readonly relay?: object
}

describe('the label of a submission', () => {
  const standard = policyOf(CONFIG)

  /** What data_post makes of a message: its note, its header lines, and what is logged. */
  function label(
    { account, ip = '192.0.2.7', from = 'ann@example.com', header = [], campaign, relay }: Message,
    policy = standard,
  ) {
    const connection = makeConnection({ ip, withTxn: true, mailFrom: from || '<>', silent: true })
    const logged: string[] = []
    connection.lognotice = (line) => void logged.push(`notice ${line}`)
    connection.logdebug = (line) => void logged.push(`debug ${line}`)
    const transaction = connection.transaction!
    if (account !== undefined) (connection as unknown as Connection).notes.auth_user = account
    if (relay) {
      connection.relaying = true
      connection.results.add({ name: 'relay' }, relay)
    }
    transaction.header.add_end('Subject', 'hello')
    for (const value of header) transaction.header.add_end('X-Sluice-Class', value)
    if (campaign !== undefined) transaction.header.add_end('X-Sluice-Campaign', campaign)
    const sessions = new Sessions((address) => policy.trusted.find(address) === true)
    const runtime = { policy, sessions } as unknown as Runtime
    assert.equal(labelMessage(runtime, connection as unknown as Connection, undefined), undefined)
    const { campaign: kept, client, ...note } = transaction.notes.sluice as Record<string, unknown>
    return { notes: transaction.notes, note, kept, client, lines: transaction.header.lines(), logged }
  }

  it('says whose it is and how urgent, and takes the header off', () => {
    const { note, lines, logged } = label({ account: 'Bob@Example.org', header: ['Transactional'] })
    assert.deepEqual(note, { class: 'transactional', tenant: 'example.org', account: 'bob@example.org' })
    assert.deepEqual(lines, ['Subject: hello\n'])
    assert.deepEqual(logged, [])
  })

  it('knows the tenant of an account, and the class of either', () => {
    assert.deepEqual(label({ account: 'ann@example.com' }).note, {
      ...{ class: 'marketing', tenant: 'acme', account: 'ann@example.com' },
    })
    assert.deepEqual(label({ account: 'shop@example.net' }).note, {
      ...{ class: 'transactional', tenant: 'example.net', account: 'shop@example.net' },
    })
  })

  it('holds nothing against the server of a stranger whose mail is passed on', () => {
    assert.equal(label({}).client, undefined)
    assert.equal(label({ relay: { pass: ['relay_dest_domain'] } }).client, undefined)
    assert.equal(label({ relay: { pass: ['acl'] } }).client, '192.0.2.7')
    assert.equal(label({ ip: '192.0.2.200' }).client, '192.0.2.200')
    assert.equal(label({ account: 'ann@example.com' }).client, '192.0.2.7')
  })

  it('takes the word of trusted clients, and of those whom relay_acl_allow names', () => {
    for (const message of [{ ip: '192.0.2.200' }, { relay: { pass: 'acl' } }]) {
      const { note, lines } = label({ ...message, header: ['marketing'] })
      assert.deepEqual(note, { class: 'marketing', tenant: undefined, account: undefined })
      assert.deepEqual(lines, ['Subject: hello\n'])
    }
  })

  it('does not take that of strangers, not even to a domain that anybody may relay to', () => {
    for (const message of [{}, { relay: { pass: 'relay_dest_domain' } }, { relay: { skip: 'acl(unlisted)' } }]) {
      const { note, lines, logged } = label({ ...message, header: ['transactional'] })
      assert.deepEqual(note, { class: 'system', tenant: undefined, account: undefined })
      assert.deepEqual(lines, ['Subject: hello\n'], 'the next server might believe it')
      assert.deepEqual(logged, [
        'debug [sluice] X-Sluice-Class: "transactional" is ignored: the client is neither logged in nor trusted',
      ])
    }
  })

  it('tells what it has not heeded, in one line', () => {
    const { note, logged } = label({ account: 'bob@example.org', header: ['a\r\n b', 'marketing'] })
    assert.equal((note as { class: string }).class, 'system')
    assert.equal(logged.length, 1)
    assert.match(logged[0]!, /^notice \[sluice\] X-Sluice-Class: "a.{1,8} b, marketing" is ignored: write one of trans/)
    assert.doesNotMatch(logged[0]!, /\p{Cc}/u)
    const above = label({ account: 'ann@example.com', header: ['transactional'] }).logged
    assert.deepEqual(above, [
      'notice [sluice] X-Sluice-Class: "transactional" is ignored: more urgent than egress in sluice.yaml lets its ' +
        'account or tenant be; it is marketing',
    ])
    assert.ok(label({ account: 'bob@example.org', header: ['x'.repeat(5000)] }).logged[0]!.length < 300)
  })

  it('is system for a bounce', () => {
    assert.equal(
      (label({ from: '', account: 'ann@example.com', header: ['marketing'] }).note as { class: string }).class,
      'system',
    )
  })

  it('leaves the mail alone where no header is configured', () => {
    const off = policyOf('egress: { header: false }')
    const { note, lines } = label({ account: 'bob@example.org', header: ['marketing'] }, off)
    assert.equal((note as { class: string }).class, 'system')
    assert.deepEqual(lines, ['Subject: hello\n', 'X-Sluice-Class: marketing\n'])
  })

  it('says where it comes from, and of which campaign it is', () => {
    const spring = label({ account: 'ann@example.com', campaign: ' spring 2026\r\n' })
    assert.deepEqual([spring.kept, spring.client], ['spring 2026', '192.0.2.7'])
    assert.deepEqual(spring.lines, ['Subject: hello\n'])
    assert.equal(label({ account: 'ann@example.com', campaign: 'x'.repeat(500) }).kept, 'x'.repeat(100))
    assert.equal(label({ account: 'ann@example.com' }).kept, undefined)
    assert.equal(label({ ip: '192.0.2.200', campaign: 'spring' }).kept, 'spring')
    const stranger = label({ campaign: 'spring' })
    assert.deepEqual([stranger.kept, stranger.lines], [undefined, ['Subject: hello\n']])
  })

  it('takes another header where one is configured', () => {
    const other = policyOf('egress: { header: X-Priority-Class }')
    assert.deepEqual(label({ account: 'bob@example.org', header: ['marketing'] }, other).lines, [
      ...['Subject: hello\n', 'X-Sluice-Class: marketing\n'],
    ])
  })

  it('comes back from the queue file as it was', () => {
    for (const message of [{ account: 'ann@example.com' }, { header: ['marketing'] }, { ip: '192.0.2.200' }]) {
      const { notes } = label(message)
      const restored: unknown = JSON.parse(JSON.stringify(notes))
      assert.deepEqual(labelOf(restored, 'marketing'), labelOf(notes, 'marketing'))
      assert.notEqual(labelOf(restored, 'marketing').mailClass, 'transactional')
    }
    assert.deepEqual(labelOf(JSON.parse(JSON.stringify(notesOf(OWN_MAIL))), 'marketing'), OWN_MAIL)
  })

  it('says nothing without a message', () => {
    const connection = makeConnection({ silent: true }) as unknown as Connection
    assert.equal(labelMessage({} as Runtime, connection, undefined), undefined)
  })
})

describe('a label in a queue file', () => {
  const nothing = OWN_MAIL

  it('may be missing, or of anything', () => {
    const strange = [
      undefined,
      null,
      1,
      'x',
      [],
      {},
      { sluice: null },
      { sluice: 'marketing' },
      { sluice: ['marketing'] },
    ]
    for (const notes of [...strange, Object.create({ sluice: { class: 'marketing' } }) as unknown]) {
      assert.deepEqual(labelOf(notes, 'system'), nothing, JSON.stringify(notes))
    }
  })

  it('may hold what cannot be', () => {
    for (const value of [1, null, '', {}, [], 'x'.repeat(321), '__proto__ '.repeat(40)]) {
      const notes = { sluice: { class: value, tenant: value, account: value, campaign: value, client: value } }
      assert.deepEqual(labelOf(notes, 'system'), nothing, JSON.stringify(value))
    }
    assert.deepEqual(labelOf({ sluice: { class: 'urgent', tenant: 'acme', account: 'a', more: 1 } }, 'marketing'), {
      ...OWN_MAIL,
      ...{ mailClass: 'marketing', tenant: 'acme', account: 'a' },
    })
  })
})
