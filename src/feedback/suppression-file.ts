import { SUPPRESSION_REASONS, type Suppression, type SuppressionReason } from '../policy/suppression'
import { type NewSuppression, normalAddress } from './suppression'

/** What an exported file has, in this order; an imported one has some of them, in any. */
export const COLUMNS = ['address', 'tenant', 'reason', 'detail', 'since', 'until', 'by'] as const
type Column = (typeof COLUMNS)[number]
/** What other programs call them. */
const ALIASES: Readonly<Record<string, Column>> = {
  email: 'address',
  email_address: 'address',
  recipient: 'address',
  type: 'reason',
  description: 'detail',
  created: 'since',
  expires: 'until',
}

export interface FileDefaults {
  readonly tenant: string | undefined
  readonly reason: SuppressionReason
  readonly until: number | undefined
}

/** A line that says something; `problem` when that cannot be read. */
export type ReadLine = { readonly said: NewSuppression } | { readonly problem: string }

/**
 * Reads a list line by line: one address a line, or CSV (RFC 4180) whose first line names its columns, `address` among them.
 * A value does not go over several lines. What follows `#` at the beginning of a line is a comment.
 */
export class SuppressionFile {
  private columns: readonly (Column | undefined)[] | undefined
  private isFirst = true

  constructor(private readonly defaults: FileDefaults) {}

  /** Undefined for a line that says nothing. */
  read(line: string): ReadLine | undefined {
    const text = line.replace(/^\uFEFF/, '').trim()
    if (text === '' || text.startsWith('#')) return undefined
    if (this.isFirst) {
      this.isFirst = false
      this.columns = columnsOf(text)
      if (this.columns) return undefined
    }
    return this.columns ? this.readRow(text, this.columns) : this.readPlain(text)
  }

  private readPlain(text: string): ReadLine {
    if (normalAddress(text) !== undefined) return { said: this.fill({ address: text }) }
    const hint = text.includes(',') ? ': the first line of a CSV file names its columns, address among them' : ''
    return { problem: `${shown(text)} is no mail address${hint}` }
  }

  private readRow(text: string, columns: readonly (Column | undefined)[]): ReadLine {
    const values = splitCsv(text)
    if (values === undefined) return { problem: 'a quote is not closed' }
    if (values.length > columns.length) return { problem: `${values.length} values, and ${columns.length} columns` }
    const row: Partial<Record<Column, string>> = {}
    columns.forEach((column, index) => {
      const value = values[index]?.trim()
      if (column && value) row[column] = value
    })
    if (row.address === undefined || normalAddress(row.address) === undefined) {
      return { problem: `${shown(row.address ?? '')} is no mail address` }
    }
    if (row.reason !== undefined && !isReason(row.reason)) {
      return { problem: `${shown(row.reason)} is no reason: write one of ${SUPPRESSION_REASONS.join(', ')}` }
    }
    for (const column of ['since', 'until'] as const) {
      if (row[column] !== undefined && Number.isNaN(Date.parse(row[column]))) {
        return { problem: `${shown(row[column])} is no time: write 2026-01-31 or 2026-01-31T12:00:00Z` }
      }
    }
    return { said: this.fill({ ...row, address: row.address }) }
  }

  private fill(row: Partial<Record<Column, string>> & { readonly address: string }): NewSuppression {
    const { tenant, reason, until } = this.defaults
    return {
      address: row.address,
      tenant: row.tenant ?? tenant,
      reason: row.reason !== undefined && isReason(row.reason) ? row.reason : reason,
      detail: row.detail,
      since: row.since === undefined ? undefined : Date.parse(row.since),
      until: row.until === undefined ? until : Date.parse(row.until),
      by: row.by ?? 'import',
    }
  }
}

export function csvHead(): string {
  return COLUMNS.join(',')
}

export function csvRow({ address, tenant = '', reason, detail, since, until, by }: Suppression): string {
  const row = [address, tenant, reason, detail, new Date(since).toISOString(), new Date(until).toISOString(), by]
  return row.map(csvValue).join(',')
}

/** Quoted, too, what a spreadsheet would take for a formula: it is not, between quotes, where the program heeds them. */
function csvValue(value: string): string {
  return /[",\r\n]|^\s|\s$|^[=+@-]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

function columnsOf(text: string): readonly (Column | undefined)[] | undefined {
  const names = splitCsv(text.toLowerCase())?.map((name) => name.trim().replaceAll(' ', '_'))
  const columns = names?.map((name) => COLUMNS.find((column) => column === name) ?? ALIASES[name])
  return columns?.includes('address') ? columns : undefined
}

/** Undefined when a quote is not closed. */
function splitCsv(text: string): string[] | undefined {
  const values: string[] = []
  for (let at = 0; at <= text.length;) {
    if (text[at] === '"') {
      let value = ''
      for (;;) {
        const end = text.indexOf('"', at + 1)
        if (end < 0) return undefined
        value += text.slice(at + 1, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
      }
      const comma = text.indexOf(',', at)
      values.push(value)
      at = comma < 0 ? text.length + 1 : comma + 1
    } else {
      const comma = text.indexOf(',', at)
      const end = comma < 0 ? text.length : comma
      values.push(text.slice(at, end))
      at = end + 1
    }
  }
  return values
}

function isReason(text: string): text is SuppressionReason {
  return SUPPRESSION_REASONS.some((reason) => reason === text)
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
