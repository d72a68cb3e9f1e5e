import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

const MOST_KEPT = 500

/** Keeps mail that is no report as `FOLDER/TIME.RANDOM.eml`, in place of the oldest beyond {@link MOST_KEPT}. Rejects when it cannot. */
export async function keepUnread(folder: string, message: Buffer): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o750 })
  const place = path.join(folder, `${Date.now()}.${randomBytes(5).toString('hex')}.eml`)
  await writeFile(`${place}.part`, message, { mode: 0o640, flag: 'wx' })
  await rename(`${place}.part`, place)
  const kept = (await readdir(folder)).filter((name) => name.endsWith('.eml')).sort()
  await Promise.all(kept.slice(0, -MOST_KEPT).map((name) => rm(path.join(folder, name), { force: true })))
}
