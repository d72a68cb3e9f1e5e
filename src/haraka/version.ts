import { readFileSync } from 'node:fs'
import path from 'node:path'

/** The version in package.json, found from the sources and from the built files alike. */
export function version(): string {
  for (let folder = __dirname; folder !== path.dirname(folder); folder = path.dirname(folder)) {
    try {
      const { name, version: found } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
        name?: string
        version?: string
      }
      if (name === 'haraka-plugin-sluice' && found) return found
    } catch {
      // Not here: look one folder up.
    }
  }
  return 'unknown'
}
