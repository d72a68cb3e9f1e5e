import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { FeedbackCounters } from '../../../../src/feedback/counters'
import type { Feedback } from '../../../../src/feedback/feedback'
import { readKeys } from '../../../../src/feedback/trace/key-file'
import { writeTrace } from '../../../../src/feedback/trace/trace'
import { openStore } from '../../../../src/store/open-store'
import { ORIGIN, sample } from '../../feedback/reports/samples'
import { sluice } from '../command'

describe('sluice feedback', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-feedback-'))
    mkdirSync(path.join(dir, 'config/sluice'), { recursive: true })
    writeFileSync(path.join(dir, 'config/sluice.yaml'), 'store: lmdb:data/sluice\n')
  })
  afterEach(() => rmSync(dir, { recursive: true }))
  const run = (...args: readonly string[]) => sluice('feedback', ...args, '--dir', dir)
  const rows = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/))

  describe('read', () => {
    function file(name: string, text: Buffer): string {
      const place = path.join(dir, name)
      writeFileSync(place, text)
      return place
    }
    const keys = () => readKeys(path.join(dir, 'data/feedback-key'), () => undefined)
    const traceNow = () =>
      writeTrace(keys(), 'trace', { at: Date.now(), origin: ORIGIN, recipients: ['bob@example.net'] })!

    it('says what a report says, and what would be heeded', async () => {
      const { code, stdout } = await run('read', file('a.eml', sample('postfix', traceNow())))
      assert.equal(code, 0)
      const said = rows(stdout)
      assert.deepEqual(said[0], ['report', 'bounce (rfc3464)'])
      assert.match(said[1]![1]!, /^bob@example\.net failed 5\.1\.1 smtp; 550 5\.1\.1 /)
      assert.match(said[3]![1]!, /^ours: tenant, account, campaign acme \/ shop@example\.com \/ july; sent 20/)
      assert.deepEqual(said.at(-1), ['heeded', 'bob@example.net bounced invalid, hard, rule invalid, provider other'])
    })

    it('says why nothing would be, and gives no token away', async () => {
      keys()
      const { stdout } = await run('read', file('a.eml', sample('arf-yahoo')), '--as', 'complaints', '--json')
      const { report, trace, heeded, ignored } = JSON.parse(stdout) as Record<string, object>
      assert.deepEqual([trace, heeded, ignored], [null, [], { forged: 1 }])
      assert.deepEqual(Object.keys(report!).includes('trace'), false)
    })

    it('makes no keys, and says that there are none', async () => {
      const { code, stdout, stderr } = await run('read', file('a.eml', sample('qmail')))
      assert.equal(code, 0)
      assert.match(stdout, /^report +bounce \(qmail\)/)
      assert.match(stderr, /There are no keys yet/)
      assert.match((await run('read', file('a.eml', sample('qmail')))).stderr, /There are no keys yet/)
    })

    it('says what it cannot read', async () => {
      const deep = Buffer.from(`X: ${'x'.repeat(600_000)}\r\n\r\n`)
      assert.match(
        (await run('read', file('deep.eml', deep))).stderr,
        /^sluice: it cannot be read as a message: Maximum/,
      )
      assert.match((await run('read', path.join(dir, 'none.eml'))).stderr, /none\.eml cannot be read: ENOENT/)
      assert.equal((await run('read', path.join(dir, 'none.eml'))).code, 1)
    })
  })

  describe('stats', () => {
    async function count(all: readonly Partial<Feedback>[]): Promise<void> {
      const spec = { kind: 'lmdb', path: path.join(dir, 'data/sluice') } as const
      const store = openStore(spec, { onChange: () => undefined, onNotice: () => undefined })
      await store.open()
      const verdicts: unknown[] = []
      const counters = new FeedbackCounters((asks) => void verdicts.push(store.judge(asks)))
      counters.note(
        all.map((one) => ({
          ...{ kind: 'delivered', at: 0, via: 'report', origin: ORIGIN, recipient: 'bob@example.net' },
          ...{ path: undefined, source: undefined, provider: 'google', answer: undefined, ...one },
        })),
      )
      counters.flush()
      await Promise.all(verdicts)
      await store.close()
    }
    const other = { ...ORIGIN, tenant: 'other', account: 'ann@example.org', campaign: undefined }

    it('shows what was said of whom, what has most first', async () => {
      await count([{}, {}, {}, { kind: 'complaint' }, { kind: 'unsubscribe', origin: other, provider: undefined }])
      const { code, stdout } = await run('stats')
      assert.equal(code, 0)
      assert.deepEqual(rows(stdout), [
        ['BY', 'DELIVERED', 'DEFERRED', 'SOFT', 'HARD', 'COMPLAINTS', 'UNSUBSCRIBED', 'WHO'],
        ['tenant', '3', '0', '0', '0', '1', '0', 'acme'],
        ['campaign', '3', '0', '0', '0', '1', '0', 'acme / july'],
        ['provider', '3', '0', '0', '0', '1', '0', 'google'],
        ['account', '3', '0', '0', '0', '1', '0', 'shop@example.com'],
        ['account', '0', '0', '0', '0', '0', '1', 'ann@example.org'],
        ['provider', '0', '0', '0', '0', '0', '1', 'other'],
        ['tenant', '0', '0', '0', '0', '0', '1', 'other'],
      ])
    })

    it('shows those that are asked for', async () => {
      await count([{}, { origin: other }])
      const who = async (...options: readonly string[]) =>
        rows((await run('stats', ...options)).stdout)
          .slice(1)
          .map((row) => [row[0], row.at(-1)])
      assert.deepEqual(await who('--tenant', 'acme'), [
        ['tenant', 'acme'],
        ['campaign', 'acme / july'],
      ])
      assert.deepEqual(await who('--account', 'Ann@example.org', '--window', '7d'), [['account', 'ann@example.org']])
      assert.deepEqual(await who('--campaign', 'july'), [['campaign', 'acme / july']])
      assert.deepEqual(await who('--campaign', 'july', '--tenant', 'other'), [])
      assert.deepEqual(await who('--provider', 'google'), [['provider', 'google']])
      const { stdout } = await run('stats', '--campaign', 'july', '--json')
      const zero = { deferred: 0, soft: 0, hard: 0, complaint: 0, unsubscribe: 0 }
      const figures = { delivered: 1, ...zero }
      assert.deepEqual(JSON.parse(stdout), [
        { by: 'campaign', tenant: 'acme', campaign: 'july', windows: { '1h': figures, '24h': figures, '7d': figures } },
      ])
    })

    it('knows windows, and no others', async () => {
      assert.equal((await run('stats', '--window', '2h')).code, 2)
    })
  })
})
