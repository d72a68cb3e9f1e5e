import { existsSync, mkdtempSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** The wall clock of a process, to be put forward or back; its monotonic clock stays right (libfaketime). */
export class FalseClock {
  private readonly file = path.join(mkdtempSync(path.join(os.tmpdir(), 'sluice-clock-')), 'shift')

  constructor() {
    this.shift(0)
  }

  /** For the process that is to have it. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** From now on it is wrong by so many seconds. */
  shift(seconds: number): void {
    writeFileSync(`${this.file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    renameSync(`${this.file}.new`, this.file)
  }
}

function library(): string {
  const places = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
  const found = places.find((place) => existsSync(place))
  if (found === undefined) throw new Error('faketime is not installed: apt-get install faketime')
  return found
}
