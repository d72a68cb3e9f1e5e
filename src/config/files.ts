/** Reads the files of the configuration, within bounds. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'

export type ReadFile = { readonly text: string } | { readonly missing: true } | { readonly problem: string }

/** Text of a file of at most `mostBytes`. Never throws: what the system says becomes a sentence. */
export function readText(file: string, mostBytes: number): ReadFile {
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return { problem: 'is no file' }
    if (stat.size > mostBytes) return { problem: `is ${stat.size} bytes long, at most ${mostBytes} are read` }
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)) }
  } catch (error) {
    return sayFailure(error as NodeJS.ErrnoException)
  }
}

function sayFailure({ code, message }: NodeJS.ErrnoException): ReadFile {
  if (code === 'ENOENT' || code === 'ENOTDIR') return { missing: true }
  if (code === 'EACCES' || code === 'EPERM') {
    return { problem: 'may not be read: give the user that Haraka runs as permission' }
  }
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return { problem: 'is not written in UTF-8: save it as UTF-8' }
  return { problem: `cannot be read: ${message}` }
}

/** A file as messages name it: relative to the Haraka directory when it is inside, with forward slashes. */
export function displayName(harakaDir: string, file: string): string {
  const relative = path.relative(harakaDir, file)
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative.split(path.sep).join('/')
}

/** A file of this package's own config directory, found from the sources and from the built files alike. */
export function shippedFile(named: string): string | undefined {
  if (!/^sluice\/[\w.-]+$/.test(named)) return undefined
  for (let folder = __dirname; folder !== path.dirname(folder); folder = path.dirname(folder)) {
    if (!existsSync(path.join(folder, 'package.json'))) continue
    const file = path.join(folder, 'config', named)
    return existsSync(file) ? file : undefined
  }
  return undefined
}
