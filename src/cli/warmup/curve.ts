/** One day of a curve. */
export interface CurveDay {
  readonly date: string
  readonly quota: number
  /** Undefined for days that are to come. */
  readonly sent: number | undefined
}

const HEIGHT = 12
const STEEP = 20
/** What a terminal of 80 columns has room for beside the axis. */
const WIDTH = 68

/**
 * A curve for a terminal, in plain letters: `#` what was sent, `-` the quota of days that are over, `o` of days to come. Of
 * more days than there is room for each column shows the last of some.
 */
export function drawCurve(days: readonly CurveDay[]): string[] {
  if (days.length === 0) return []
  const step = Math.ceil(days.length / WIDTH)
  const shown = days.filter((_, index) => (days.length - 1 - index) % step === 0)
  const wide = shown.length * 2 <= WIDTH ? 2 : 1
  const top = Math.max(1, ...shown.map(({ quota, sent = 0 }) => Math.max(quota, sent)))
  const { rowOf, countAt } = scale(Math.min(...shown.map(({ quota }) => quota)), top)
  const margin = String(top).length
  const lines: string[] = []
  for (let row = HEIGHT; row >= 1; row--) {
    const label = row === HEIGHT ? String(top) : row === HEIGHT / 2 ? String(countAt(row)) : ''
    const cells = shown.map(({ quota, sent }) => mark(row, rowOf(quota), sent === undefined ? undefined : rowOf(sent)))
    lines.push(`${label.padStart(margin)} |${cells.map((cell) => cell.padEnd(wide)).join('')}`.trimEnd())
  }
  lines.push(`${' '.repeat(margin)} +${'-'.repeat(shown.length * wide)}`)
  lines.push(`${' '.repeat(margin + 2)}${axis(shown[0]!.date, shown.at(-1)!.date, shown.length * wide)}`)
  return lines
}

/** Of what grows by a factor each day the first days would be flat: then a row is a factor too. */
function scale(least: number, top: number) {
  if (top < least * STEEP) {
    const countAt = (row: number) => Math.round((top * row) / HEIGHT)
    return { rowOf: (count: number) => Math.round((count / top) * HEIGHT), countAt }
  }
  const factor = (top / least) ** (1 / (HEIGHT - 2))
  const rowOf = (count: number) =>
    count < 1 ? 0 : Math.max(1, Math.round(2 + Math.log(count / least) / Math.log(factor)))
  return { rowOf, countAt: (row: number) => Math.round(least * factor ** (row - 2)) }
}

export const LEGEND = '# sent   - quota   o quota to come, if each day goes well'

function mark(row: number, quota: number, sent: number | undefined): string {
  if (sent !== undefined && row <= sent) return '#'
  if (row !== Math.max(1, quota)) return ' '
  return sent === undefined ? 'o' : '-'
}

function axis(first: string, last: string, width: number): string {
  if (first === last) return first
  return `${first}${last.padStart(Math.max(last.length + 1, width - first.length))}`
}
