import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { takeOpeningLock } from '../../../../src/store/lmdb/opening-lock'

/** What ext4 keeps within the inode; see `opening-lock.ts`. */
const WITHOUT_BLOCK_BYTES = 59

describe('opening lock', () => {
  let path: string
  let file: string
  let ownText: string

  beforeEach(async () => {
    path = fs.mkdtempSync(join(tmpdir(), 'sluice-lock-'))
    file = join(path, 'opening')
    const release = await takeOpeningLock(path)
    ownText = fs.readlinkSync(file)
    release()
  })
  afterEach(() => {
    mock.restoreAll()
    fs.rmSync(path, { recursive: true })
  })

  it('lets one in at a time', async () => {
    const release = await takeOpeningLock(path)
    let entered = false
    const second = takeOpeningLock(path).then((releaseSecond) => {
      entered = true
      return releaseSecond
    })
    await delay(50)
    assert.equal(entered, false)
    release()
    const releaseSecond = await second
    releaseSecond()
    assert.deepEqual(fs.readdirSync(path), [])
  })

  it('needs no block of data, which a full disk has not', async () => {
    const release = await takeOpeningLock(path)
    assert.ok(fs.lstatSync(file).isSymbolicLink())
    assert.ok(fs.readlinkSync(file).length <= WITHOUT_BLOCK_BYTES, fs.readlinkSync(file))
    release()
  })

  const leftovers: Record<string, () => void> = {
    'a process that is gone': () => leaveBehindBy(2 ** 22 + 1),
    'an earlier version': () => fs.writeFileSync(file, '{"pid":4194305,"boot":"","space":"","born":""}'),
    'an earlier version on a full disk': () => fs.writeFileSync(file, ''),
  }
  for (const [whom, leave] of Object.entries(leftovers)) {
    it(`takes over what ${whom} left`, async () => {
      leave()
      const release = await takeOpeningLock(path)
      release()
      assert.deepEqual(fs.readdirSync(path), [])
    })
  }

  it('leaves alone what another process has just taken over', async () => {
    leaveBehindBy(2 ** 22 + 1)
    const stale = fs.readlinkSync(file)
    const { readlinkSync } = fs
    let overtaken = false
    // The other takes over between our look at the stale lock and what we do about it.
    mock.method(fs, 'readlinkSync', (name: string) => {
      const found = readlinkSync(name)
      if (found === stale && !overtaken) {
        overtaken = true
        fs.rmSync(file)
        leaveBehindBy(process.pid)
      }
      return found
    })
    let entered = false
    const taking = takeOpeningLock(path).then((release) => {
      entered = true
      return release
    })
    await delay(50)
    assert.deepEqual([overtaken, entered], [true, false])
    fs.rmSync(file)
    const release = await taking
    release()
  })

  it('does not release what was taken from it', async () => {
    const release = await takeOpeningLock(path)
    fs.rmSync(file)
    leaveBehindBy(2 ** 22 + 1)
    release()
    assert.equal(fs.readdirSync(path).length, 1)
  })

  it('goes on when a process died while it took over', async () => {
    leaveBehindBy(2 ** 22 + 1)
    const guard = join(path, 'opening-takeover')
    fs.symlinkSync('x', guard)
    fs.lutimesSync(guard, 1, 1)
    const release = await takeOpeningLock(path)
    release()
    assert.deepEqual(fs.readdirSync(path), [])
  })

  /** A lock as this process makes it, in the name of another. */
  function leaveBehindBy(pid: number): void {
    fs.symlinkSync(ownText.replace(/^\d+/, String(pid)), file)
  }
})
