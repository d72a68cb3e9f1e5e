import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CliError } from '../terminal'
import type { HarakaFile } from './haraka-files'

/** One file of a plan. `replace` keeps the old file under `keptAs`. */
export interface Planned extends HarakaFile {
  readonly file: string
  readonly action: 'write' | 'keep' | 'replace' | 'add haraka to'
  readonly keptAs?: string
}

/** True for a folder without entries, and for one that is not there. Throws for a file in its place. */
export function isEmptyFolder(dir: string): boolean {
  if (!existsSync(dir)) return true
  if (!statSync(dir).isDirectory()) throw new CliError(`${dir} is a file: choose another name`)
  return readdirSync(dir).length === 0
}

/** What would happen to each file; nothing is written. */
export function planFiles(dir: string, files: ReadonlyMap<string, HarakaFile>): Planned[] {
  return [...files].map(([name, wanted]): Planned => {
    const file = join(dir, name)
    if (!existsSync(file)) return { ...wanted, file, action: 'write' }
    // A key that is there is as good as a new one, and other programs may know it.
    if (name.endsWith('internalcmd_key') || readFileSync(file, 'utf8') === wanted.content) {
      return { ...wanted, file, action: 'keep' }
    }
    return { ...wanted, file, action: 'replace', keptAs: freeName(file) }
  })
}

/** Throws a {@link CliError} when a file cannot be written. */
export function writePlanned(planned: readonly Planned[]): void {
  for (const { file, action, keptAs, content, mode } of planned) {
    if (action === 'keep') continue
    try {
      mkdirSync(dirname(file), { recursive: true })
      if (keptAs !== undefined) renameSync(file, keptAs)
      // Never through a link that appeared since: the file is made anew.
      writeFileSync(file, content, { mode, flag: 'wx' })
    } catch (error) {
      throw new CliError(`cannot write ${file}: ${(error as Error).message}`)
    }
  }
}

function freeName(file: string): string {
  for (let number = 0; ; number++) {
    const name = number === 0 ? `${file}.old` : `${file}.old${number}`
    if (!existsSync(name)) return name
  }
}
