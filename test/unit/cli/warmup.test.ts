import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type CurveDay, drawCurve } from '../../../src/cli/warmup/curve'
import { svgOf } from '../../../src/cli/warmup/svg'
import { addDays } from '../../../src/egress/warmup/calendar'
import { budgetAsk, countAsk } from '../../../src/egress/warmup/counters'
import { beginCourse } from '../../../src/egress/warmup/course'
import { WarmupDesk } from '../../../src/egress/warmup/desk'
import { openStore } from '../../../src/store/open-store'
import type { Store } from '../../../src/store/store'
import { LADDER } from '../egress/warmup/fixtures'
import { sluice } from './command'

const TODAY = new Date().toISOString().slice(0, 10)
const GOOGLE = { source: 'fresh', group: 'google' }

describe('sluice warmup', () => {
  let dir: string
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-warmup-'))
    mkdirSync(path.join(dir, 'config'))
    configure('fresh: {bind: 192.0.2.11, warmup: {start: 100, until: 1000}}, old: {bind: 192.0.2.10}')
    await atStore(async () => undefined)
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  function configure(sources: string): void {
    const text = `store: lmdb:data/sluice\negress:\n  sources: {${sources}}\n  pool: old\n`
    writeFileSync(path.join(dir, 'config/sluice.yaml'), text)
  }
  async function atStore(work: (store: Store) => Promise<unknown>): Promise<void> {
    const hooks = { onChange: () => undefined, onNotice: () => undefined }
    const store = openStore({ kind: 'lmdb', path: path.join(dir, 'data/sluice') }, hooks)
    await store.open()
    await work(store)
    await store.close()
  }
  const run = (...args: string[]) => sluice('warmup', ...args, '--dir', dir)
  async function begun(): Promise<void> {
    const history = [
      { quota: 100, sent: 100, delivered: 99, bounced: 1, deferred: 0, complaints: 0, verdict: 'u' },
    ] as const
    await atStore(async (store) => {
      const course = { ...beginCourse(LADDER, TODAY), quota: 130, history, why: '99% delivered, used 100% of it' }
      await new WarmupDesk(store).change(GOOGLE, () => course)
      await store.judge([budgetAsk(GOOGLE, TODAY, 130, 40), countAsk(GOOGLE, TODAY, 'delivered', 39)])
    })
  }

  it('says what warms up when nothing does, and when nothing has begun', async () => {
    assert.match((await run('status')).stderr, /^Nothing was sent yet by what warms up/)
    configure('fresh: {bind: 192.0.2.11}, old: {bind: 192.0.2.10}')
    assert.match((await run('status')).stderr, /^Nothing warms up: name a source/)
    const { code, stderr } = await run('status', 'fresh')
    assert.equal(code, 2)
    assert.match(stderr, /no source called fresh warms up: none does; write `warmup: true` .* egress\.sources/)
  })

  it('takes a group for none that no provider is called by: a slip would begin a warm-up that nothing ever uses', async () => {
    for (const change of [['set', '--stage', '2'], ['pause'], ['plan'], ['status']]) {
      const [verb, ...rest] = change as [string, ...string[]]
      const { code, stderr } = await run(verb, 'fresh', '--group', 'gogle', ...rest)
      assert.equal(code, 2, verb)
      assert.match(stderr, /no provider is called gogle: write one of apple, .*, other\n/)
    }
    assert.equal((await run('set', 'fresh', '--group', 'other', '--stage', '2')).code, 0)
  })

  it('status: says where each stands, and shows the days and the curve of one', async () => {
    await begun()
    const { stdout } = await run('status')
    assert.match(stdout, /^fresh\/google +\S+ +2 of 10 +40 of 130 +39 +0 +0 +0 +\S+ +99% delivered, used 100% of it$/m)
    assert.match(stdout, /^1 +100 +100 +99 +1 +0 +0 +up$/m)
    for (const line of stdout.split('\n').slice(3)) assert.ok(line.length <= 80, line)
    const [told] = JSON.parse((await run('status', '--json')).stdout) as {
      warmOn: string
      stage: number
      plan: object[]
    }[]
    assert.deepEqual([told!.stage, told!.warmOn, told!.plan.length], [2, addDays(TODAY, 8), 9])
  })

  it('set: takes back to today what a wrong clock has put ahead, but for a day that may have begun elsewhere', async () => {
    for (const [group, ahead, date] of [
      ['google', 30, TODAY],
      ['yahoo', 1, addDays(TODAY, 1)],
    ] as const) {
      const id = { source: 'fresh', group }
      await atStore((store) => new WarmupDesk(store).change(id, () => beginCourse(LADDER, addDays(TODAY, ahead))))
      const { code, stderr } = await run('set', 'fresh', '--group', group, '--quota', '150')
      assert.equal(code, 0, stderr)
      await atStore(async (store) => {
        const course = await new WarmupDesk(store).read(id)
        assert.deepEqual([course!.date, course!.quota], [date, 150])
      })
    }
  })

  it('plan: says the days to come, also of one that has not begun, and draws them into a file', async () => {
    const file = path.join(dir, 'fresh.svg')
    const { stdout } = await run('plan', 'fresh', '--group', 'yahoo', '--svg', file)
    assert.match(stdout, /^fresh\/yahoo, if its first message goes today$/m)
    assert.ok(stdout.includes(`${TODAY}     100`) && stdout.includes(`${addDays(TODAY, 9)}    1000`), stdout)
    const svg = readFileSync(file, 'utf8')
    assert.match(svg, /^<svg [^]*stroke-dasharray[^]*<\/svg>\n$/)
  })

  it('set, pause, resume: change it for all servers, or say what they would', async () => {
    await begun()
    assert.equal(
      (await run('set', 'fresh', '--quota', '500', '--dry-run')).stdout,
      'fresh/google would be at 500 recipients a day\n',
    )
    assert.equal((await run('pause', 'fresh')).stdout, 'fresh/google is at 130 recipients a day, paused\n')
    assert.equal(
      (await run('set', 'fresh', '--stage', '1')).stdout,
      'fresh/google is at 100 recipients a day, paused\n',
    )
    assert.equal(
      (await run('set', 'fresh', '--quota', '99999')).stdout,
      'fresh/google is at 1000 recipients a day, paused\n',
    )
    assert.equal((await run('resume', 'fresh')).stdout, 'fresh/google is at 1000 recipients a day\n')
    assert.equal(
      (await run('set', 'fresh', '--group', 'yahoo', '--quota', '7')).stdout,
      'fresh/yahoo is at 7 recipients a day\n',
    )
  }).timeout(30_000)

  it('refuses what says nothing', async () => {
    for (const args of [
      ['set', 'fresh'],
      ['set', 'fresh', '--quota', '0'],
      ['set', 'fresh', '--quota', '5', '--stage', '1'],
    ]) {
      assert.equal((await run(...args)).code, 2, args.join(' '))
    }
    assert.equal((await run('pause', 'fresh')).code, 1)
    assert.equal((await run('set', 'tenant:acme', '--quota', '5')).code, 2)
  })
})

describe('the curve of a warm-up', () => {
  const days = (count: number): CurveDay[] =>
    Array.from({ length: count }, (_, day) => {
      return {
        date: addDays('2026-03-01', day),
        quota: (day + 1) * 10,
        sent: day < count / 2 ? (day + 1) * 8 : undefined,
      }
    })

  it('is drawn in plain letters, within 80 columns, however many days there are', () => {
    for (const count of [1, 2, 30, 60, 500]) {
      const lines = drawCurve(days(count))
      assert.equal(lines.length, 14)
      for (const line of lines) assert.match(line, /^[ -~]{1,80}$/)
    }
    assert.deepEqual(drawCurve([]), [])
    assert.equal(
      drawCurve(days(4)).join('\n'),
      `40 |      o
   |
   |
   |    o
   |
   |
20 |  -
   |  #
   |  #
   |- #
   |# #
   |# #
   +--------
    2026-03-01 2026-03-04`,
    )
  })

  it('shows the first days too of one that has come far', () => {
    const steep = days(4).map((day, index) => ({ ...day, quota: 100 * 10 ** index, sent: 100 * 10 ** index }))
    const lines = drawCurve(steep)
    assert.equal(lines[10], '       |# # # #', 'the least is in the second row from below')
    assert.equal(lines[0], '100000 |      #')
    assert.equal(lines[6]!.slice(0, 6), '  1585')
  })

  it('is a picture with a bar for each day that was', () => {
    const svg = svgOf('<fresh>', days(10))
    assert.equal(svg.match(/<rect x/g)?.length, 5)
    assert.ok(svg.includes('&#60;fresh&#62;') && !svg.includes('NaN'))
  })
})
