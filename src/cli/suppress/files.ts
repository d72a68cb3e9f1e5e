import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { Command, Option } from 'commander'
import type { NewSuppression } from '../../feedback/suppression'
import { SuppressionFile, csvHead, csvRow } from '../../feedback/suppression-file'
import type { SuppressionList } from '../../feedback/suppression-list'
import type { SuppressionReason } from '../../policy/suppression'
import { type Common, common } from '../directory'
import { CliError, print, printJson, say } from '../terminal'
import { atList } from './at-list'
import { forMachines, forOption, reasonOption } from './entry'

/** Entries in one call to the store. */
const LOT = 1000
/** No line is longer: what is, is no list. */
const MOST_LINE = 10_000

export function importCommand(): Command {
  return common(new Command('import').description('add the addresses of a file; lines that cannot be read are told of'))
    .argument('<file>', 'one address a line, or CSV with a line that names its columns; - for standard input')
    .addOption(new Option('--tenant <name>', 'of lines that name none (default: of everybody)'))
    .addOption(reasonOption('manual'))
    .addOption(forOption())
    .option('--dry-run', 'read the file, and add nothing')
    .action(importFile)
}

export function exportCommand(): Command {
  return common(new Command('export').description('print the whole list, an address a line'))
    .option('--csv', 'as CSV, which can be imported again')
    .addOption(new Option('--tenant <name>', 'only what is kept for this tenant'))
    .action(exportAll)
}

interface ImportOptions extends Common {
  readonly tenant?: string
  readonly reason: SuppressionReason
  readonly for?: number
  readonly dryRun?: true
}

/** Exit code 1 when a line could not be read; the others are added all the same. */
async function importFile(
  file: string,
  { dir, json, tenant, reason, for: forMs, dryRun }: ImportOptions,
): Promise<void> {
  const until = forMs === undefined ? undefined : Date.now() + forMs
  await atList(dir, async (list, { suppression: { mode } }) => {
    const reading = new Import(list, new SuppressionFile({ tenant, reason, until }), dryRun === true)
    const input = file === '-' ? process.stdin : createReadStream(file)
    try {
      for await (const line of linesOf(input)) await reading.take(line)
      await reading.finish()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (reading.line === 0) throw new CliError(`${file} cannot be read: ${why}`)
      const where = reading.added > 0 ? ` (${reading.added} addresses are added, and may be imported again)` : ''
      throw new CliError(`line ${reading.line}: ${why}${where}`)
    }
    const { added, bad } = reading
    if (json) printJson({ dryRun: dryRun === true, added, bad })
    else print(`${dryRun ? 'would add' : 'added'} ${added} ${added === 1 ? 'address' : 'addresses'}`)
    if (mode.kind !== 'enforce') say(`suppression.mode is ${mode.kind}: mail is sent all the same until it is enforce.`)
    if (bad > 0) throw new CliError(bad === 1 ? '1 line could not be read' : `${bad} lines could not be read`)
  })
}

class Import {
  line = 0
  added = 0
  bad = 0
  private lot: { readonly line: number; readonly said: NewSuppression }[] = []

  constructor(
    private readonly list: SuppressionList,
    private readonly file: SuppressionFile,
    private readonly isDry: boolean,
  ) {}

  async take(text: string): Promise<void> {
    this.line++
    if (text.length > MOST_LINE) return this.refuse(this.line, `longer than ${MOST_LINE} characters`)
    const read = this.file.read(text)
    if (!read) return
    if ('problem' in read) return this.refuse(this.line, read.problem)
    this.lot.push({ line: this.line, said: read.said })
    if (this.lot.length >= LOT) await this.finish()
  }

  async finish(): Promise<void> {
    const lot = this.lot.splice(0)
    if (this.isDry) this.added += lot.length
    if (lot.length === 0 || this.isDry) return
    const { problems } = await this.list.add(lot.map(({ said }) => said))
    for (const { index, problem } of problems) this.refuse(lot[index]!.line, problem)
    this.added += lot.length - problems.length
  }

  private refuse(line: number, problem: string): void {
    this.bad++
    say(`line ${line}: ${problem}`)
  }
}

/** Lines without their ends. Of one that is too long no more is kept than tells that it is. */
async function* linesOf(input: AsyncIterable<unknown>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop()!
    if (rest.length > MOST_LINE) rest = rest.slice(0, MOST_LINE + 1)
    yield* lines
  }
  if (rest !== '') yield rest
}

interface ExportOptions extends Common {
  readonly csv?: true
  readonly tenant?: string
}

/** With --json one object a line: no list of a million fits into memory. */
async function exportAll({ dir, json, csv, tenant }: ExportOptions): Promise<void> {
  if (json && csv) throw new CliError('say either --json or --csv', 2)
  await atList(dir, async (list) => {
    if (csv) print(csvHead())
    let cursor: string | undefined
    do {
      const page = await list.page(cursor, LOT, { tenant })
      for (const entry of page.entries) {
        print(csv ? csvRow(entry) : json ? JSON.stringify(forMachines(entry)) : entry.address)
      }
      cursor = page.cursor
      // Whoever reads may be slower than the store.
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
    } while (cursor !== undefined)
  })
}
