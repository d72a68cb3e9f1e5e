import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { State } from '../../../../src/store/engine/state'
import { Environment } from '../../../../src/store/lmdb/environment'
import { encodeRecord } from '../../../../src/store/lmdb/record'
import { type StateTables, Sweeper, countKeys } from '../../../../src/store/lmdb/sweeper'

const NOW = 1_700_000_000_000

describe('sweeper', () => {
  let path: string
  let environment: Environment
  let tables: StateTables

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
    environment = Environment.open(path)
    tables = { counters: environment.states, remembered: environment.openRemembered() }
  })

  afterEach(async () => {
    await environment.close()
    rmSync(path, { recursive: true, force: true })
  })

  /** Writes keys that expire at the given time after {@link NOW}. */
  function write(name: string, count: number, expiresIn: (index: number) => number): void {
    environment.write(count, () => {
      for (let index = 0; index < count; index++) {
        environment.states.putSync(
          `${name}${index}`,
          encodeRecord({ op: 'rate', tat: NOW + expiresIn(index), noted: false }),
        )
      }
    })
  }

  /** Triplets that have never passed, which are kept for two days. */
  function writeTriplets(name: string, count: number): void {
    const state: State = { op: 'triplet', firstAt: NOW, passes: 0, expiresAt: NOW + 172_800_000, noted: false }
    environment.write(count, () => {
      for (let index = 0; index < count; index++) tables.remembered.putSync(`${name}${index}`, encodeRecord(state))
    })
  }

  function sweep(sweeper: Sweeper, lots?: number): number {
    return environment.write(1, () => sweeper.sweep(NOW, lots))
  }

  it('removes what has expired, wherever it is, going round', () => {
    write('live', 500, () => 1)
    write('dead', 500, () => 0)
    write('zombie', 500, () => -5000)
    const sweeper = new Sweeper(tables, 10_000)
    let removed = 0
    for (let turn = 0; turn < 20; turn++) removed += sweep(sweeper, 1)
    assert.equal(removed, 1000)
    assert.equal(countKeys(environment.states), 500)
    write('dead', 10, () => 0)
    for (let turn = 0; turn < 20; turn++) removed += sweep(sweeper, 1)
    assert.equal(removed, 1010)
  })

  it('does what it owes for writes, at most so much at a time', () => {
    write('dead', 3000, () => 0)
    const sweeper = new Sweeper(tables, 10_000)
    assert.equal(sweep(sweeper), 0)
    sweeper.owe(64)
    assert.ok(sweeper.due)
    assert.equal(sweep(sweeper), 128)
    assert.ok(!sweeper.due)
    sweeper.owe(1_000_000)
    assert.equal(sweep(sweeper), 8 * 128)
    assert.ok(sweeper.due)
    sweep(sweeper)
    assert.ok(!sweeper.due)
  })

  it('holds the bound on keys by removing those that expire soonest', () => {
    write('soon', 400, () => 1000)
    write('late', 400, () => 1_000_000)
    write('mixed', 400, (index) => (index % 2 === 0 ? 1000 : 1_000_000))
    const sweeper = new Sweeper(tables, 700)
    for (let turn = 0; turn < 60; turn++) sweep(sweeper, 1)
    assert.equal(countKeys(environment.states), 700)
    const left = [...environment.states.getKeys()].filter((key) => key.startsWith('late')).length
    assert.ok(left > 250, `${left} of 400 late ones are left`)
  })

  it('leaves counters their half, however many triplets come and however long those are kept', () => {
    write('counter', 300, () => 60_000)
    let told = 0
    const sweeper = new Sweeper(tables, 700, () => told++)
    for (let turn = 0; turn < 60; turn++) {
      writeTriplets(`greylist|${turn}|`, 64)
      sweeper.owe(64)
      sweep(sweeper)
    }
    for (let turn = 0; turn < 20; turn++) sweep(sweeper, 1)
    assert.deepEqual([countKeys(tables.counters), countKeys(tables.remembered)], [300, 400])
    assert.ok(told > 0, 'who holds the store hears of it')
  })

  it('leaves what is remembered its half, however many counters come', () => {
    writeTriplets('greylist|', 300)
    const sweeper = new Sweeper(tables, 700)
    write('counter', 1500, () => 1_000_000_000)
    for (let turn = 0; turn < 60; turn++) sweep(sweeper, 1)
    assert.deepEqual([countKeys(tables.counters), countKeys(tables.remembered)], [400, 300])
  })

  it('takes bytes that are no record for expired', () => {
    environment.write(1, () => environment.states.putSync('k', Buffer.from('x')))
    assert.equal(sweep(new Sweeper(tables, 10), 1), 1)
  })
})
