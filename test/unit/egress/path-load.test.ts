import assert from 'node:assert/strict'
import {
  type PathReport,
  REPORT_TTL_MS,
  loadEntry,
  processEntry,
  processName,
  readLoad,
  readProcess,
  totalsOf,
} from '../../../src/egress/path-load'
import { MAX_BOARD_TEXT, MAX_KEY_LENGTH } from '../../../src/store/store'

const NOW = 1_785_000_000_000

function report(more: Partial<PathReport> = {}): PathReport {
  return {
    process: 'mx1-1-ABCDEFG',
    path: 'egress|default|google',
    provider: 'google',
    at: NOW,
    waiting: { transactional: 1, system: 20, marketing: 300 },
    underWay: 4,
    connections: 5,
    oldestDueAt: NOW - 5000,
    pace: 2.5,
    hold: 'rate',
    limits: { connections: 20, intervalMs: 50, suspendedUntil: undefined, warmingUntil: undefined },
    ...more,
  }
}

describe('what processes tell of their paths', () => {
  it('is read back as it was written', () => {
    const plain = report()
    assert.deepEqual(readLoad(loadEntry(plain)), plain)
    assert.equal(loadEntry(plain).expiresAt, NOW + REPORT_TTL_MS)
    const idle = report({
      oldestDueAt: undefined,
      limits: { connections: 1, intervalMs: undefined, suspendedUntil: 9 },
    })
    assert.deepEqual(readLoad(loadEntry(idle))?.limits.suspendedUntil, 9)
    const whole = { process: 'a-1-B', at: NOW, waiting: 1, underWay: 2, putOff: 3, paths: 4 }
    assert.deepEqual(readProcess(processEntry(whole)), whole)
  })

  it('fits the board however long its names are', () => {
    const process = processName('x'.repeat(300), 4_194_304, '7KQ2M4X')
    const long = report({ process, path: `egress|default|${'m'.repeat(MAX_KEY_LENGTH - 15)}` })
    const { key, text } = loadEntry(long)
    assert.ok(key.length <= MAX_KEY_LENGTH && text.length <= MAX_BOARD_TEXT, `${key.length}, ${text.length}`)
    assert.deepEqual(readLoad(loadEntry(long)), long)
    assert.equal(processName('mx 1|é', 1, 'A'), 'mx-1---1-A')
  })

  it('is not believed when it is something else', () => {
    const entry = loadEntry(report())
    const but = (more: object) => ({
      ...entry,
      text: JSON.stringify({ ...(JSON.parse(entry.text) as object), ...more }),
    })
    for (const wrong of [
      { ...entry, key: 'egress_order|x' },
      { ...entry, key: 'egress_load|mx1-1-ABCDEFG|egress|default|yahoo' },
      { ...entry, key: entry.key.replace('mx1', 'mx 1') },
      ...['', '[]', 'null', '{', '"x"'].map((text) => ({ ...entry, text })),
      but({ waiting: { transactional: 1, system: 1 } }),
      but({ waiting: [1, 2, 3] }),
      but({ underWay: -1 }),
      but({ pace: '1' }),
      but({ hold: 'spite' }),
      but({ limits: null }),
      but({ limits: { connections: 1, intervalMs: 'x' } }),
      but({ oldestDueAt: null }),
      but({ path: 'egress|default|\u001b[2J' }),
    ]) {
      assert.equal(readLoad(wrong), undefined, JSON.stringify(wrong))
    }
    const process = processEntry({ process: 'a-1-B', at: 1, waiting: 1, underWay: 2, putOff: 3, paths: 4 })
    assert.equal(readProcess({ ...process, text: '{"at":1}' }), undefined)
    assert.equal(readProcess({ ...process, key: 'egress_process|' }), undefined)
  })
})

describe('what all processes together have to do', () => {
  it('is added up, with the hold of the one that has most, and the limits that were told last', () => {
    const other = report({
      process: 'mx2-1-ABCDEFG',
      waiting: { transactional: 0, system: 1, marketing: 0 },
      ...{ at: NOW + 1, oldestDueAt: NOW - 9000, hold: 'connections' },
      limits: { connections: 10, intervalMs: 100, suspendedUntil: undefined },
    })
    const [total, second] = totalsOf([other, report({ path: 'egress|default|yahoo' }), report()], NOW)
    assert.deepEqual(
      [total!.path, total!.waitingInAll, total!.underWay, total!.connections, total!.pace, total!.oldestDueAt],
      ['egress|default|google', 322, 8, 10, 5, NOW - 9000],
    )
    assert.deepEqual([total!.hold, total!.limits.connections, total!.reports.length], ['rate', 10, 2])
    assert.equal(total!.emptyInMs, 32_200)
    assert.equal(second!.path, 'egress|default|yahoo')
  })

  it('is gone when the rate, the pace of late, or the end of a suspension lets it go', () => {
    const emptyIn = (more: Partial<PathReport>) => totalsOf([report(more)], NOW)[0]!.emptyInMs
    const unlimited = { connections: 20, intervalMs: undefined, suspendedUntil: undefined }
    assert.equal(emptyIn({}), 321 * 50)
    assert.equal(emptyIn({ hold: 'connections' }), (321 / 2.5) * 1000)
    assert.equal(emptyIn({ hold: 'connections', pace: 100 }), 321 * 50)
    assert.equal(emptyIn({ hold: 'connections', limits: unlimited }), (321 / 2.5) * 1000)
    assert.equal(emptyIn({ hold: 'connections', limits: unlimited, pace: 0 }), undefined)
    assert.equal(emptyIn({ waiting: { transactional: 0, system: 0, marketing: 0 } }), 0)
    const suspended = { connections: 20, intervalMs: 50, suspendedUntil: NOW + 60_000 }
    assert.equal(emptyIn({ hold: 'suspended', pace: 0.1, limits: suspended }), 60_000 + 321 * 50)
  })
})
