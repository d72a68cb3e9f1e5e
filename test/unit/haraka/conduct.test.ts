import assert from 'node:assert/strict'
import { Conduct } from '../../../src/haraka/conduct'
import { Sessions } from '../../../src/haraka/session'
import type { Connection } from '../../../src/haraka/types'

describe('conduct', () => {
  let told: string[]
  let conduct: Conduct
  let sessions: Sessions
  let said: unknown[]
  let failures: string[]
  beforeEach(() => {
    told = []
    said = []
    sessions = new Sessions(() => false)
    failures = []
    conduct = new Conduct(
      sessions,
      () => undefined,
      (error) => failures.push(String(error)),
    )
    conduct.onOffence((_connection, _session, offence) => told.push(offence))
  })

  type Fake = Connection & { current_line: string; notes: Record<string, unknown>; early_talker: boolean }

  function connect(changes: object = {}): Fake {
    const connection = {
      uuid: 'A',
      remote: { ip: '192.0.2.7', host: null },
      notes: {},
      msg_count: { accept: 0, tempfail: 0, reject: 0 },
      relaying: false,
      transaction: null,
      current_line: '',
      respond: (...reply: unknown[]) => void said.push(reply),
      disconnect: () => undefined,
      ...changes,
    } as unknown as Fake
    conduct.watch(connection)
    return connection
  }

  /** The offences of one command with its reply. */
  function offences(line: string, code: number, text: string | string[], changes: object = {}): string[] {
    told = []
    const connection = connect(changes)
    connection.current_line = line
    connection.respond(code, text)
    return told
  }

  const from = (user: string | null) => ({ transaction: { mail_from: { user, host: user && 'example.com' } } })

  it('passes every reply on, and watches once', () => {
    const connection = connect()
    conduct.watch(connection)
    connection.respond(500, 'Unrecognized command')
    assert.deepEqual(said, [[500, 'Unrecognized command', undefined]])
    assert.deepEqual(told, ['protocol'])
  })

  it('counts nothing of a greeting, before which there was no command', () => {
    connect({ current_line: null }).respond(220, 'mx.local.test ESMTP')
    assert.deepEqual([failures, told, said.length], [[], [], 1])
  })

  it('has the reply said whatever fails, and tells of it', () => {
    conduct.onOffence(() => {
      throw new Error('broken')
    })
    connect().respond(500, 'Unrecognized command')
    assert.deepEqual(said, [[500, 'Unrecognized command', undefined]])
    assert.deepEqual(failures, ['Error: broken'])
  })

  it('takes what follows a refused MAIL in a pipeline for the same refusal once more', () => {
    const connection = connect()
    const say = (line: string, code: number, text: string) => {
      connection.current_line = line
      connection.respond(code, text)
    }
    say('MAIL FROM:<a@example.com>', 450, '4.7.1 Too many messages from this sender (sluice sender 7KQ2XYZ)')
    for (let count = 0; count < 11; count++) say('RCPT TO:<u@local.test>', 503, 'Use MAIL before RCPT')
    say('DATA', 503, 'MAIL required first')
    say('DATA', 554, 'No valid recipients')
    const { errors, unknownRecipients, junk } = sessions.of(connection)
    assert.deepEqual([told, errors, unknownRecipients, junk], [[], 0, 0, 14])
    say('MAIL FROM:<a@example.com>', 250, 'sender OK')
    say('DATA', 503, 'MAIL required first')
    assert.deepEqual(told, ['protocol'])
  })

  it('does not take an address that a refusal quotes for its reason', () => {
    for (const text of [
      '5.1.1 <relay@local.test>: Recipient address rejected: User unknown',
      'No such user: smtp-relay@local.test',
      '<relay@local.test>: unknown user',
    ]) {
      assert.deepEqual(offences('RCPT TO:<relay@local.test>', 550, text, from('a')), ['unknown_recipient'], text)
      assert.deepEqual(offences('RCPT TO:<relay@local.test>', 550, text, from(null)), [], 'a bounce')
    }
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 554, '5.7.1 <x@a.test>: Relay access denied', from('a')), ['relay'])
  })

  it('tells recipients that nobody takes from attempts to relay', () => {
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, 'I cannot deliver mail for {<x@a.test>}', from('a')), [
      'relay',
    ])
    assert.deepEqual(offences('rcpt to:<x@a.test>', 550, ['5.7.1 Relaying denied'], from('a')), ['relay'])
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, 'no such user', from('a')), ['unknown_recipient'])
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, '5.1.1 no such user', from('a')), ['unknown_recipient'])
  })

  it('takes no refusal for another reason as a recipient that is unknown', () => {
    const coded = ['5.2.2 mailbox full', '5.7.1 SPF fails', '5.3.4 too large', "5.1.8 Bad sender's system address"]
    const plain = [
      ...['Mailbox full', 'blocked by local policy', 'recipient <x@a.test> denied', 'Too many recipients'],
      ...['Message for <no such user@a.test> rejected', 'User unknown to the blocklist: listed by zen.example'],
      ...['The user you wrote to is over quota and not found worthy', 'x@a.test does not accept bounces', ''],
    ]
    for (const text of [...coded, ...plain]) {
      assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, text, from('a')), [], text)
    }
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 552, 'no such user', from('a')), [])
  })

  it('knows a recipient that is not there by what servers say of it, with or without a code', () => {
    const said = [
      ...['5.1.1 <x@a.test>: gone', '5.1.10 null MX', '5.1.0 Address rejected'],
      ...['No such user here', 'sorry, no mailbox here by that name', 'User unknown', 'Unknown user: x@a.test'],
      ...['<x@a.test>: Recipient address rejected: User unknown in virtual mailbox table', 'unknown recipient'],
      ...[
        'Requested action not taken: mailbox unavailable',
        'Recipient not found',
        'Invalid recipient',
        'Unrouteable address',
      ],
      ...["The email account that you tried to reach doesn't exist", 'x@a.test: address does not exist'],
      ...['not a valid mailbox', '<full@policy.test>: no such address'],
    ]
    for (const text of said) {
      assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, text, from('a')), ['unknown_recipient'], text)
    }
  })

  it('takes a recipient that is wrong in syntax, or out of order without any reason, for that', () => {
    assert.deepEqual(offences('RCPT TO:x', 501, 'Invalid RCPT TO command'), ['protocol'])
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 503, 'Use MAIL before RCPT'), ['protocol'])
  })

  it('reads a reply that never ends in linear time', () => {
    const began = performance.now()
    for (const part of ['user ', '<', 'no such ', 'mailbox not ']) {
      offences('RCPT TO:<x@a.test>', 550, part.repeat(20_000), from('a'))
    }
    assert.ok(performance.now() - began < 500, `${performance.now() - began} ms`)
  })

  it('does not count bounces to addresses of ours that somebody has forged', () => {
    for (const user of ['', null]) assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, 'no such user', from(user)), [])
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, 'relaying denied', from('')), ['relay'])
  })

  it('does not count who may relay', () => {
    assert.deepEqual(offences('RCPT TO:<x@a.test>', 550, 'no such user', { relaying: true, ...from('a') }), [])
  })

  it('counts probes, and commands that are wrong or out of order', () => {
    assert.deepEqual(offences('VRFY ann', 502, 'VRFY disabled'), ['probe'])
    assert.deepEqual(offences('expn all', 550, 'no'), ['probe'])
    assert.deepEqual(offences('NONSENSE', 500, 'Unrecognized command'), ['protocol'])
    assert.deepEqual(offences('DATA', 503, 'Use: RCPT TO first'), ['protocol'])
  })

  it('counts no content that is refused, and no login by its reply', () => {
    assert.deepEqual(offences('DATA', 554, 'spam'), [])
    assert.deepEqual(offences('AUTH PLAIN x', 535, 'failed'), [])
    assert.deepEqual(offences('MAIL FROM:<a@b.test>', 550, 'no'), [])
  })

  it('counts nothing that is our own refusal', () => {
    for (const line of ['RCPT TO:<x@a.test>', 'NONSENSE', 'VRFY x']) {
      assert.deepEqual(offences(line, 501, '5.7.1 Not now (sluice sender 7KQ2XYZ)', from('a')), [], line)
    }
  })

  it('makes twenty idle commands one offence, but not twenty deferrals: it is we who were not ready', () => {
    const connection = connect()
    for (let count = 0; count < 45; count++) connection.respond(451, 'Greylisted (sluice greylist 7KQ2XYZ)')
    for (let count = 0; count < 19; count++) conduct.countJunk(connection)
    assert.deepEqual(told, [])
    conduct.countJunk(connection)
    assert.deepEqual(told, ['junk'])
    assert.equal(sessions.of(connection).junk, 65, 'the bound of the session counts both')
    connection.msg_count.accept = 1
    conduct.countJunk(connection)
    assert.equal(sessions.of(connection).junk, 1)
  })

  it('counts each failed login once, at a reply or at the end', () => {
    const connection = connect()
    connection.notes.auth_fails = 2
    connection.respond(535, 'failed')
    connection.respond(535, 'failed')
    assert.deepEqual(told, ['auth', 'auth'])
    connection.notes.auth_fails = 3
    conduct.end(connection, sessions.of(connection))
    conduct.end(connection, sessions.of(connection))
    assert.deepEqual(told, ['auth', 'auth', 'auth'])
    connection.notes.auth_fails = 'x'
    connection.respond(535, 'failed')
    assert.equal(told.length, 3)
  })

  it('counts once that it spoke before it was greeted', () => {
    const connection = connect()
    conduct.noteGreeting(connection)
    connection.early_talker = true
    conduct.noteGreeting(connection)
    conduct.noteGreeting(connection)
    assert.deepEqual(told, ['early'])
  })
})
