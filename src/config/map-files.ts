import { existsSync } from 'node:fs'
import path from 'node:path'
import { displayName, readText, shippedFile } from './files'
import { type MapEntry, type MapProblem, parseMap } from './maps'

/** 200,000 entries of ordinary length. */
const MOST_MAP_BYTES = 16 * 1024 ** 2

/** A map file as it was read. */
export interface MapFile {
  /** As messages name it. */
  readonly name: string
  readonly text: string
  readonly entries: readonly MapEntry[]
  readonly problems: readonly MapProblem[]
}

/** Reads each map once, however many rules name it. */
export class MapFiles {
  /** Files that were looked for, absolute, present or not: a change of any may change the outcome. */
  readonly lookedFor = new Set<string>()
  private readonly known = new Map<string, MapFile | { readonly problem: string }>()

  constructor(
    private readonly harakaDir: string,
    private readonly configDir: string,
  ) {}

  /** `named` is as written in a rule, relative to the config directory. */
  read(named: string): MapFile | { readonly problem: string } {
    let map = this.known.get(named)
    if (!map) {
      map = this.readFresh(named)
      this.known.set(named, map)
    }
    return map
  }

  /** Those that could be read. */
  get files(): MapFile[] {
    return [...this.known.values()].filter((map): map is MapFile => !('problem' in map))
  }

  private readFresh(named: string): MapFile | { readonly problem: string } {
    const own = path.resolve(this.configDir, named)
    this.lookedFor.add(own)
    // A shipped map needs no copy in the operator's directory; his own, if there is one, wins.
    const file = existsSync(own) ? own : (shippedFile(named) ?? own)
    const name = displayName(this.harakaDir, file)
    const read = readText(file, MOST_MAP_BYTES)
    if ('missing' in read) return { problem: `there is no file ${name}: create it, or remove the line` }
    if ('problem' in read) return { problem: `${name} ${read.problem}` }
    return { name, text: read.text, ...parseMap(read.text) }
  }
}
