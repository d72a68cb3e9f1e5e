import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SteeringDesk } from '../../../src/egress/steering-desk'
import type { Order } from '../../../src/egress/steering-action'
import { openStore } from '../../../src/store/open-store'
import { DnsServer } from '../../support/dns-server'
import { type Ran, sluice } from './command'

const HOUR = 3_600_000
const GOOGLE = 'egress|default|google'

describe('sluice egress suspend, resume, set, actions, cancel', () => {
  let dir: string
  let dns: DnsServer
  beforeEach(async () => {
    dns = await DnsServer.start()
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-steering-'))
    mkdirSync(path.join(dir, 'config'))
    const config = `store: lmdb:data/sluice\ndns: {servers: ['${dns.address}'], timeout: 500ms}
egress: {sources: {pool1: {helo: pool1.example.com}}, classes: {marketing: {pool: pool1}}}
`
    writeFileSync(path.join(dir, 'config/sluice.yaml'), config)
    await atDesk(async () => undefined)
  })
  afterEach(async () => {
    rmSync(dir, { recursive: true, force: true })
    await dns.close()
  })

  async function atDesk(work: (desk: SteeringDesk) => Promise<unknown>): Promise<void> {
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
    await work(new SteeringDesk(store))
    await store.close()
  }

  type Shown = Record<'id' | 'path' | 'kind' | 'origin' | 'mode' | 'evidence' | 'since' | 'until', string> & {
    readonly values: object
    readonly dryRun?: boolean
  }
  const run = (...args: string[]): Promise<Ran> => sluice('egress', ...args, '--dir', dir)
  const json = async <T = Shown>(...args: string[]) => JSON.parse((await run(...args, '--json')).stdout) as T
  const actions = () => json<Shown[]>('actions')
  const order = (more: Partial<Order> = {}): Order => ({
    ...{ path: GOOGLE, kind: 'suspend', values: { suspended: true }, origin: 'controller', mode: 'enforce' },
    ...{ evidence: '9 of 10', since: Date.now(), until: Date.now() + HOUR, ...more },
  })

  it('says which paths an order without a source does not reach', async () => {
    const { stderr } = await run('suspend', 'google')
    assert.match(stderr, /^Mail leaves from pool1 too: order it for pool1\/google as well\.$/m)
    assert.doesNotMatch((await run('suspend', 'pool1/google')).stderr, /leaves from/)
    assert.doesNotMatch((await run('suspend', '*')).stderr, /leaves from/)
    const config = 'store: lmdb:data/sluice\negress: {sources: {a: {helo: a.far.test}, b: {helo: b.far.test}}, pool: p,'
    writeFileSync(path.join(dir, 'config/sluice.yaml'), `${config} pools: {p: {sources: [a, b]}}}\n`)
    for (const verb of ['suspend', 'resume', 'show']) {
      const refused = await run(verb, 'google')
      assert.deepEqual(
        [refused.code, refused.stderr],
        [2, 'sluice: no mail leaves from the source default: write a/google or b/google\n'],
      )
    }
    assert.equal((await run('suspend', 'default/google', '--dry-run')).code, 0)
  })

  it('suspends a path, shows it and resumes it', async () => {
    const suspended = await run('suspend', 'google', '--for', '2h', '--reason', 'their\nincident')
    assert.equal(suspended.code, 0)
    const [, id] = /^ordered ([0-9A-Z]{7}): no mail for egress\|default\|google until .* UTC\n$/.exec(suspended.stdout)!
    assert.match(suspended.stderr, new RegExp(`To undo: sluice egress cancel ${id}\n$`))
    assert.match(
      (await run('actions')).stdout,
      /^ID +PATH +WHAT +ENDS IN +BY +MODE +WHY\n\w+ +egress\|default\|google +no mail +(2 h|1(\.\d)? h|119.*min) +operator +enforce +their incident\n$/,
    )
    const resumed = await run('resume', 'google')
    assert.deepEqual([resumed.code, resumed.stdout], [0, `resumed ${GOOGLE} (${id}, by operator)\n`])
    const stderr = 'Nothing is ordered: every path goes by its profile.\n'
    assert.deepEqual(await run('actions'), { code: 0, stdout: '', stderr })
  })

  it('sets figures, in place of those that a person has set before', async () => {
    const first = await json('set', 'google', '--rate', '100/min')
    assert.deepEqual([first.kind, first.origin, first.mode, first.dryRun], ['set', 'operator', 'enforce', false])
    assert.deepEqual(first.values, { messageRate: { limit: 100, windowMs: 60_000 } })
    assert.equal(Date.parse(first.until) - Date.parse(first.since), HOUR)
    const second = await run('set', 'google', '--rate', '5/s', '--connections', '2', '--for', '1d')
    assert.match(second.stdout, /^ordered \w+: 5 in 1 second, 2 connections for egress\|default\|google until/)
    assert.match(second.stderr, new RegExp(`^In place of ${first.id}: 100 in 1 minute until .* UTC\\.\n`))
    assert.deepEqual(
      (await actions()).map(({ values }) => values),
      [{ connections: 2, messageRate: { limit: 5, windowMs: 1000 } }],
    )
  })

  it('takes a path in every way that it may be written', async () => {
    dns.records({ 'A example.net': ['192.0.2.1'] })
    dns.serve('example.com', ({ type }) =>
      type === 'MX'
        ? { answers: [{ type, name: 'example.com', ttl: 60, data: { preference: 1, exchange: 'smtp.google.com' } }] }
        : {},
    )
    for (const [written, meant] of [
      [GOOGLE, GOOGLE],
      ['default/google', GOOGLE],
      ['pool1/google', 'egress|pool1|google'],
      ['egress|pool1|*', 'egress|pool1|*'],
      ['pool1/*', 'egress|pool1|*'],
      ['*', 'egress|*'],
      ['MX2.a.test+mx1.a.test.', 'egress|default|mx1.a.test+mx2.a.test'],
      ['smtp.google.com+aspmx.l.google.com', GOOGLE],
      ['egress|default|mx1.a.test', 'egress|default|mx1.a.test'],
      ['example.com', GOOGLE],
      ['someone@example.com', GOOGLE],
      ['pool1/example.net', 'egress|pool1|example.net'],
    ] as const) {
      const { path: taken, dryRun, id } = await json('suspend', written, '--dry-run')
      assert.deepEqual([taken, dryRun, id], [meant, true, undefined], written)
    }
    assert.deepEqual(await actions(), [])
  })

  it('lists the providers there are when it does not know one', async () => {
    for (const written of ['gogle', 'egress|default|gogle', 'pool1/gogle']) {
      const { code, stderr } = await run('suspend', written)
      assert.deepEqual([code, stderr.startsWith('sluice: no provider is called gogle: write apple, ')], [2, true])
      assert.match(stderr, / google, .*yahoo_japan.*, a domain, or a site\n$/)
    }
  })

  it('lists the sources there are when it does not know one', async () => {
    for (const written of ['pool2/google', 'pool2/*', 'egress|pool2|*', 'egress|pool2|google']) {
      const { code, stderr } = await run('suspend', written)
      const said = 'sluice: no source is called pool2: egress.sources in config/sluice.yaml has default, pool1\n'
      assert.deepEqual([code, stderr], [2, said], written)
    }
  })

  it('refuses with 2 what was typed wrong', async () => {
    for (const [args, said] of [
      [['suspend'], /missing required argument 'path'/],
      [['suspend', 'google', '--for', '40d'], /out of range/],
      [['suspend', 'google', '--for', 'soon'], /is no duration/],
      [['suspend', '/google'], /is no path/],
      [['suspend', 'default/'], /is no path/],
      [['suspend', 'egress|google*'], /is no path/],
      [['suspend', 'egress|'], /is no path/],
      [['suspend', 'a b.test+c.test'], /is no site/],
      [['set', 'google'], /say --rate, --connections or both/],
      [['set', 'google', '--rate', '59/h'], /at least 1\/min/],
      [['set', 'google', '--rate', '5MB/s'], /not bytes/],
      [['set', 'google', '--rate', 'fast'], /is no limit/],
      [['set', 'google', '--connections', '0'], /from 1 to/],
      [['cancel'], /missing required argument 'id'/],
    ] as const) {
      const ran = await run(...args)
      assert.deepEqual([ran.code, ran.stdout], [2, ''], args.join(' '))
      assert.match(ran.stderr, said)
    }
  })

  it('says with 1 where a domain has no path', async () => {
    dns.serve('example.org', ({ type }) =>
      type === 'MX'
        ? { answers: [{ type, name: 'example.org', ttl: 60, data: { preference: 0, exchange: '.' } }] }
        : {},
    )
    const { code, stderr } = await run('suspend', 'example.org')
    assert.deepEqual([code, stderr], [1, 'sluice: example.org takes no mail: it has a null MX (RFC 7505)\n'])
  })

  it('resumes what the controller has suspended, and leaves its other orders', async () => {
    await atDesk((desk) =>
      desk.post([order(), order({ kind: 'rate', values: { rateFactor: 0.5, connectionsFactor: 0.5 } })]),
    )
    const dry = await json<{ path: string; lifted: Shown[]; dryRun: boolean }>('resume', 'google', '--dry-run')
    assert.deepEqual([dry.path, dry.dryRun, dry.lifted.map(({ origin }) => origin)], [GOOGLE, true, ['controller']])
    assert.match((await run('resume', 'google')).stdout, /^resumed egress\|default\|google \(\w+, by controller\)\n$/)
    assert.match((await run('actions')).stdout, / 50% of rate and connections /)
    const again = await run('resume', 'google')
    assert.deepEqual([again.code, again.stdout], [1, ''])
    assert.equal(again.stderr, `sluice: ${GOOGLE} is not suspended by itself: see sluice egress actions\n`)
  })

  it('says what still keeps a path suspended', async () => {
    const { id } = await json('suspend', 'default/*')
    const said = new RegExp(
      `^It is suspended by ${id} \\(egress\\|default\\|\\*\\) until .*: sluice egress resume 'egress\\|default\\|\\*'\n`,
    )
    assert.match((await run('resume', 'google')).stderr, said)
    assert.match((await run('set', 'google', '--rate', '1/s')).stderr, said)
    assert.equal((await run('resume', 'default/*')).code, 0)
  })

  it('cancels by id, and says what is in shadow', async () => {
    await atDesk((desk) => desk.post([order({ mode: 'shadow' })]))
    assert.match((await run('actions')).stderr, /^What is in shadow changes nothing\.\n$/)
    const { id } = (await actions())[0]!
    const said = `${id}: no mail for ${GOOGLE}, by controller\n`
    assert.equal((await run('cancel', id, '--dry-run')).stdout, `would cancel ${said}`)
    assert.equal((await run('cancel', id.toLowerCase())).stdout, `cancelled ${said}`)
    const again = await run('cancel', id)
    assert.deepEqual(
      [again.code, again.stderr],
      [1, `sluice: there is no action ${id} (any more): see sluice egress actions\n`],
    )
    assert.deepEqual(await actions(), [])
  })
})
