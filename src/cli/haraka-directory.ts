import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Endpoint, parseEndpoint } from './endpoint'

/** A Haraka ini file: sections, and the values of each key; `key[]=` and a repeated key give several. */
export type Ini = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

/** A Haraka directory as it stands on disk, read afresh at every call. */
export class HarakaDirectory {
  constructor(readonly path: string) {}

  /** Text of a file under `config/`; undefined when there is none. */
  text(name: string): string | undefined {
    try {
      return readFileSync(join(this.path, 'config', name), 'utf8')
    } catch {
      return undefined
    }
  }

  ini(name: string): Ini | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : readIni(text)
  }

  /** Lines of a list file, without comments; empty when there is no such file. */
  list(name: string): string[] {
    const lines = (this.text(name) ?? '').split(/\r?\n/).map((line) => line.trim())
    return lines.filter((line) => line !== '' && !/^[;#]/.test(line))
  }

  /** Plugins as listed, `haraka-plugin-` removed as Haraka does. */
  plugins(): string[] {
    return this.list('plugins').map((name) => name.replace(/^haraka-plugin-/, ''))
  }

  /** Where Haraka listens by smtp.ini; what Haraka itself would not understand is left out. */
  smtp(): Endpoint[] {
    const listen = valueOf(this.ini('smtp.ini'), 'main', 'listen') ?? '0.0.0.0:25'
    return listen.split(',').flatMap((part) => parseEndpoint(part) ?? [])
  }
}

/** The last value of a key, as Haraka takes it. */
export function valueOf(ini: Ini | undefined, section: string, key: string): string | undefined {
  return ini?.get(section)?.get(key)?.at(-1)
}

/** Reads what haraka-config reads: `[section]`, `key = value`, comments on lines of their own. Keys above any section belong to `main`. */
export function readIni(text: string): Ini {
  const sections = new Map<string, Map<string, string[]>>()
  let section = new Map<string, string[]>()
  for (const line of text.split(/\r?\n/)) {
    const heading = /^\s*\[\s*([^\]]*?)\s*\]\s*$/.exec(line)?.[1]
    if (heading !== undefined) {
      section = sections.get(heading) ?? new Map<string, string[]>()
      sections.set(heading, section)
      continue
    }
    const pair = /^\s*([^;#\s][^=]*?)(?:\[\])?\s*=\s*(.*?)\s*$/.exec(line)
    if (!pair) continue
    if (sections.size === 0) sections.set('main', section)
    section.set(pair[1]!, [...(section.get(pair[1]!) ?? []), pair[2]!])
  }
  return sections
}
