/** Started by `rescue.ts` as a process of its own: `rescue-process <file set aside> <store directory>`. */
import { open } from 'lmdb'
import { Environment, MAX_TABLES } from './environment'
import { decodeRecord, recordExpiry } from './record'
import type { Rescue } from './rescue'

const LOT = 200

function copy(aside: string, path: string): Rescue {
  const root = open<Buffer, string>({
    path: aside,
    noSubdir: true,
    readOnly: true,
    maxDbs: MAX_TABLES,
    encoding: 'binary',
  })
  const old = root.openDB<Buffer, string>({ name: 'states', encoding: 'binary' })
  const target = Environment.open(path)
  const now = Date.now()
  let kept = 0
  let last: string | undefined
  for (;;) {
    const lot: { key: string; value: Buffer }[] = []
    const start = last === undefined ? {} : { start: last, exclusiveStart: true }
    for (const { key, value } of old.getRange({ ...start, limit: LOT })) lot.push({ key, value })
    if (lot.length === 0) return { kept, complete: true }
    // Keys of a sound table rise; a damaged one could lead in a circle.
    if (last !== undefined && lot.at(-1)!.key <= last) return { kept, complete: false }
    last = lot.at(-1)!.key
    const good = lot.filter(({ value }) => recordExpiry(value) > now && decodeRecord(value) !== undefined)
    target.write(good.length, () => {
      for (const { key, value } of good) target.states.putSync(key, value)
    })
    kept += good.length
    process.send?.({ kept, complete: false } satisfies Rescue)
  }
}

process.send?.(copy(process.argv[2]!, process.argv[3]!), () => process.exit(0))
