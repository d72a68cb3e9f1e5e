import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { endianness, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Environment } from '../../../../src/store/lmdb/environment'

const LATEST_AT = 8

describe('commit order', () => {
  let path: string
  let environment: Environment
  let lock: number

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'sluice-lmdb-'))
    environment = Environment.open(path)
    lock = openSync(join(path, 'lock.mdb'), 'r+')
  })

  afterEach(async () => {
    await environment.close()
    closeSync(lock)
    rmSync(path, { recursive: true, force: true })
  })

  const write = (index: number) =>
    environment.write(1, () => environment.states.putSync(`k${index % 500}`, Buffer.alloc(200, index)))

  function latest(): bigint {
    const bytes = Buffer.alloc(8)
    readSync(lock, bytes, 0, 8, LATEST_AT)
    return endianness() === 'LE' ? bytes.readBigUInt64LE() : bytes.readBigUInt64BE()
  }

  /** What another process does that opened the environment while this one was writing. */
  function setBack(by: bigint): void {
    const bytes = Buffer.alloc(8)
    if (endianness() === 'LE') bytes.writeBigUInt64LE(latest() - by)
    else bytes.writeBigUInt64BE(latest() - by)
    writeSync(lock, bytes, 0, 8, LATEST_AT)
  }

  it('gives every transaction the number after the one before', () => {
    write(1)
    const before = latest()
    write(2)
    assert.equal(latest(), before + 1n)
  })

  it('puts the number right when it was set back, and loses nothing', () => {
    for (let index = 0; index < 1000; index++) write(index)
    for (let index = 1000; index < 3000; index++) {
      const before = latest()
      if (index % 10 === 0) setBack(BigInt(1 + (index % 7)))
      write(index)
      assert.equal(latest(), before + 1n)
    }
    for (let key = 0; key < 500; key++) {
      assert.deepEqual(environment.states.getBinary(`k${key}`), Buffer.alloc(200, 2500 + key))
    }
  })
})
