import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** A Haraka directory of its own for one test. */
export class TestDirectory {
  readonly path = mkdtempSync(path.join(tmpdir(), 'sluice-config-'))

  constructor(yaml?: string) {
    mkdirSync(path.join(this.path, 'config', 'sluice'), { recursive: true })
    if (yaml !== undefined) this.write('config/sluice.yaml', yaml)
  }

  write(file: string, content: string | Uint8Array): void {
    writeFileSync(path.join(this.path, file), content)
  }

  /** Copies the files of a folder of fixtures to `config/sluice/`. */
  addMaps(folder: string): void {
    cpSync(folder, path.join(this.path, 'config', 'sluice'), { recursive: true })
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
