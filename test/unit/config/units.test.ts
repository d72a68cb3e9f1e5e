import assert from 'node:assert/strict'
import { LONGEST_MS, namesSize, readDuration, readRate, readSize, readWindow } from '../../../src/config/units'

function value<T>(read: { value: T } | { problem: string }): T | string {
  return 'value' in read ? read.value : 'problem'
}

describe('units', () => {
  it('reads durations as whole milliseconds', () => {
    const cases = { '250ms': 250, '90s': 90_000, '10m': 600_000, '1min': 60_000, '2h': 7_200_000, '31d': LONGEST_MS }
    for (const [text, ms] of Object.entries(cases)) assert.equal(value(readDuration(text)), ms, text)
    assert.equal(value(readDuration(' 1.5 h ')), 5_400_000)
    assert.equal(value(readDuration('1.0006s')), 1001)
  })

  it('refuses durations without unit, beyond the bounds, or in other words', () => {
    for (const text of ['', '5', '0s', '0.1ms', '32d', '-1s', '1w', '1e3s', '1 hour', 'Infinitys', '.5h', '5s5']) {
      assert.equal(value(readDuration(text)), 'problem', text)
    }
  })

  it('reads sizes as powers of 1024', () => {
    const cases = { '1000': 1000, '1B': 1, '1kB': 1024, '1KB': 1024, '25MB': 26_214_400, '1.5GB': 1_610_612_736 }
    for (const [text, bytes] of Object.entries(cases)) assert.equal(value(readSize(text)), bytes, text)
    for (const text of ['', 'MB', '0', '0.4B', '1TB', '1025GB', '-1MB', '1 mb']) {
      assert.equal(value(readSize(text)), 'problem', text)
    }
  })

  it('reads windows', () => {
    assert.deepEqual(value(readWindow('5/min')), { limit: 5, windowMs: 60_000 })
    assert.deepEqual(value(readWindow('120 / 30m')), { limit: 120, windowMs: 1_800_000 })
    assert.deepEqual(value(readWindow('50MB/h')), { limit: 52_428_800, windowMs: 3_600_000 })
    assert.deepEqual(value(readWindow('1.5kB/s')), { limit: 1536, windowMs: 1000 })
    assert.deepEqual(value(readWindow('7/1.5h')), { limit: 7, windowMs: 5_400_000 })
  })

  it('refuses windows that nobody can have meant', () => {
    const wrong = [
      '5',
      '/min',
      '5/',
      '0/min',
      '2.5/min',
      '-5/min',
      '5/mn',
      '5/500ms',
      '5/0h',
      '5/32d',
      '5/min/h',
      '5//h',
    ]
    for (const text of [...wrong, '99999999999999/min', '1e9/min', '5 per minute', '1..5/min', '5/min 30/h']) {
      assert.equal(value(readWindow(text)), 'problem', text)
    }
  })

  it('reads a rate as the time between two units', () => {
    assert.equal(value(readRate('10/s')), 100)
    assert.equal(value(readRate('3/min')), 20_000)
    assert.equal(value(readRate('x')), 'problem')
  })

  it('takes time linear in the length of a hostile text', () => {
    const started = performance.now()
    for (const text of ['1'.repeat(1e6), ' '.repeat(1e6) + 'x', '1.'.repeat(5e5), '5/' + '1'.repeat(1e6)]) {
      for (const read of [readDuration, readSize, readWindow]) assert.ok('problem' in read(text))
    }
    assert.ok(performance.now() - started < 1000)
  })

  it('tells sizes from plain amounts', () => {
    for (const text of ['25MB/h', '1 kB/s', '5B/min']) assert.ok(namesSize(text), text)
    for (const text of ['5/min', '30/h', 'B']) assert.ok(!namesSize(text), text)
  })
})
