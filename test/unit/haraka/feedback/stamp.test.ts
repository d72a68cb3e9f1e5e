import assert from 'node:assert/strict'
import { makeConnection as makeFixture } from 'haraka-test-fixtures'
import { loadPolicy } from '../../../../src/config/load'
import type { Label } from '../../../../src/egress/label'
import { Sealer } from '../../../../src/feedback/trace/seal'
import { readTrace } from '../../../../src/feedback/trace/trace'
import type { FeedbackDesk } from '../../../../src/haraka/feedback/desk'
import { stamp } from '../../../../src/haraka/feedback/stamp'
import type { EnvelopeAddress, Transaction } from '../../../../src/haraka/types'
import { TestDirectory } from '../../config/fixtures'
import { SEALER } from '../../feedback/reports/samples'

interface FixtureConnection {
  transaction: Transaction & { header: { lines(): string[] } }
}
const makeConnection = (options: object) => makeFixture(options) as FixtureConnection

const ADDRESSES = 'bounces: [bounces@example.com], unsubscribe: [leave@example.com]'
const URL = 'unsubscribe_url: https://mail.example.com/unsubscribe/'
const LABEL: Label = {
  ...{ mailClass: 'marketing', tenant: 'acme', account: 'shop@example.com', campaign: 'july', client: '192.0.2.7' },
}

describe('the trace on our mail', () => {
  interface Message {
    readonly feedback?: string
    readonly label?: Label
    readonly from?: string
    readonly to?: readonly string[]
    readonly header?: Readonly<Record<string, string>>
    readonly sealer?: Sealer | undefined
  }

  /** Fields of the header after it, and what they hold. */
  function stamped(message: Message = {}): { names: string[]; of: (name: string) => string } {
    const {
      feedback = `${ADDRESSES}, ${URL}`,
      label = LABEL,
      from = 'bounces@example.com',
      to = ['Bob@example.net'],
    } = message
    const directory = new TestDirectory(`feedback: {${feedback}}\n`)
    const loaded = loadPolicy(directory.path)
    directory.remove()
    assert.ok('policy' in loaded)
    const { transaction } = makeConnection({ ip: '192.0.2.7', withTxn: true, mailFrom: `<${from}>`, silent: true })
    transaction.rcpt_to = to.map((address): EnvelopeAddress => {
      const [user, host] = address.split('@') as [string, string]
      return { user, host }
    })
    for (const [name, value] of Object.entries(message.header ?? {})) transaction.add_header(name, value)
    const desk = { sealer: 'sealer' in message ? message.sealer : SEALER } as FeedbackDesk
    stamp({ policy: loaded.policy, desk }, transaction, label)
    const lines = transaction.header.lines()
    return {
      names: lines.map((line) => line.slice(0, line.indexOf(':'))),
      of: (name) =>
        lines
          .find((line) => line.startsWith(`${name}:`))!
          .slice(name.length + 1)
          .trim(),
    }
  }

  it('says whose it is, in lines of decent length', () => {
    const { of } = stamped()
    const trace = readTrace(SEALER, 'trace', of('X-Sluice-Trace'))!
    const { message, ...origin } = trace.origin
    assert.deepEqual({ ...origin, mailClass: 'marketing' }, { ...LABEL, sender: 'bounces@example.com' })
    assert.match(message, /^\S{10,}$/)
    assert.equal(trace.only, 'bob@example.net')
    assert.ok(
      of('X-Sluice-Trace')
        .split('\n')
        .every((line) => line.length <= 78),
    )
  })

  it('is in the place of any that the sender has written', () => {
    const { names, of } = stamped({ header: { 'x-sluice-trace': 'AAAA' } })
    assert.equal(names.filter((name) => name.toLowerCase() === 'x-sluice-trace').length, 1)
    assert.notEqual(of('X-Sluice-Trace'), 'AAAA')
    assert.deepEqual(
      stamped({ feedback: '', header: { 'x-sluice-trace': 'AAAA' } }).names,
      [],
      'where we write none, too',
    )
  })

  it('has links to unsubscribe beside it in newsletters to one', () => {
    const { names, of } = stamped()
    assert.deepEqual(names, ['X-Sluice-Trace', 'List-Unsubscribe', 'List-Unsubscribe-Post'])
    const [, link, mail] =
      /^<https:\/\/mail\.example\.com\/unsubscribe\/(\S+)>,\s+<mailto:leave@example\.com\?subject=unsubscribe%20(\S+)>$/.exec(
        of('List-Unsubscribe'),
      )!
    assert.equal(link, mail)
    assert.equal(readTrace(SEALER, 'unsubscribe', link!)!.only, 'bob@example.net')
    assert.equal(of('List-Unsubscribe-Post'), 'List-Unsubscribe=One-Click')
  })

  it('has none elsewhere', () => {
    const names = (message: Message) => stamped(message).names
    const [trace, list] = ['X-Sluice-Trace', 'List-Unsubscribe']
    assert.deepEqual(names({ label: { ...LABEL, mailClass: 'transactional' } }), [trace])
    assert.deepEqual(names({ to: ['bob@example.net', 'ann@example.net'] }), [trace])
    assert.deepEqual(names({ header: { 'List-Unsubscribe': '<mailto:own@example.com>' } }), [list, trace])
    assert.deepEqual(names({ feedback: 'bounces: [bounces@example.com]' }), [trace])
    assert.deepEqual(names({ feedback: ADDRESSES }), [trace, list], 'one click goes by HTTPS')
    assert.deepEqual(names({ feedback: URL }), [list, 'List-Unsubscribe-Post'])
  })

  it('is not on bounces, where nobody reports to us, where it is off, and where there are no keys', () => {
    assert.deepEqual(stamped({ from: '' }).names, [])
    assert.deepEqual(stamped({ feedback: '' }).names, [])
    assert.deepEqual(stamped({ feedback: 'bounces: [b@example.com], trace: false' }).names, [])
    assert.deepEqual(stamped({ sealer: undefined }).names, [])
  })
})
