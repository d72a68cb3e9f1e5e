/** Draws what happened over time: one small plot a sender and scenario, for light and dark pages. */
import type { Trace } from './loop-trace'
import { sumOf } from './loop-trace'

export interface Panel {
  readonly title: string
  readonly trace: Trace
  readonly bearsAt: (elapsedMs: number) => number
}

/** Minutes that are shown; what comes later is not. */
const SHOWN = 100
/** Messages a second, at the top and the bottom of a plot: its scale is logarithmic, as rates are from 0.1 to 1000. */
const [MOST, LEAST] = [1000, 0.1]
const [WIDTH, HEIGHT, GAP_X, GAP_Y, LEFT, TOP] = [400, 110, 50, 44, 44, 74]

const STYLE = `
text{font:12px sans-serif;fill:#333}.small{font-size:10px}.grid{stroke:#888;stroke-opacity:.25;fill:none}
.delivered{fill:#2a9d5c;fill-opacity:.35;stroke:#2a9d5c}.attempts{fill:none;stroke:#3b6fd4;stroke-width:1.5}
.refused{fill:none;stroke:#d1442f;stroke-width:1.5}.limit{fill:none;stroke:#888;stroke-width:1.5;stroke-dasharray:5 3}
@media(prefers-color-scheme:dark){text{fill:#ddd}.attempts{stroke:#7ba5ff}.refused{stroke:#ff7c66}.delivered{stroke:#4fd08a}}
`

/** `columns` of panels side by side, each from the top down; all have as many. */
export function plot(title: string, columns: readonly (readonly Panel[])[]): string {
  const width = LEFT + columns.length * (WIDTH + GAP_X)
  const height = TOP + columns[0]!.length * (HEIGHT + GAP_Y)
  const panels = columns.flatMap((column, x) =>
    column.map((panel, y) => draw(panel, LEFT + x * (WIDTH + GAP_X), TOP + y * (HEIGHT + GAP_Y))),
  )
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}</style>`,
    `<text x="${LEFT}" y="18">${escaped(title)}</text>`,
    legend(),
    ...panels,
    '</svg>\n',
  ]
  return parts.join('\n')
}

function legend(): string {
  const names = ['attempts', 'delivered', 'refused', 'limit'] as const
  const words = { attempts: 'attempts', delivered: 'delivered', refused: 'refused', limit: 'what the provider bears' }
  return names
    .map((name, index) => {
      const x = LEFT + index * 100
      return `<path class="${name}" d="M${x} 36h24"/><text x="${x + 30}" y="40">${words[name]}</text>`
    })
    .join('')
}

function draw({ title, trace, bearsAt }: Panel, x: number, y: number): string {
  const rates = (seconds: readonly number[]) => perSecond(seconds)
  const marks = [1, 10, 100].map((rate) => {
    const at = heightOf(rate)
    return `<path class="grid" d="M0 ${at}h${WIDTH}"/><text class="small" x="-6" y="${at + 3}" text-anchor="end">${rate}/s</text>`
  })
  const minutes = [0, 20, 40, 60, 80, 100].map(
    (minute) =>
      `<text class="small" x="${xOf(minute)}" y="${HEIGHT + 13}" text-anchor="middle">${minute}${minute === SHOWN ? ' min' : ''}</text>`,
  )
  const delivered = steps(rates(trace.deliveries))
  const limit = Array.from({ length: SHOWN }, (_, minute) => bearsAt(minute * 60_000))
  const parts = [
    `<g transform="translate(${x} ${y})">`,
    `<text y="-6">${escaped(title)}</text>`,
    `<path class="grid" d="M0 0h${WIDTH}v${HEIGHT}h-${WIDTH}z"/>`,
    ...marks,
    ...minutes,
    `<path class="delivered" d="M0 ${HEIGHT}V${delivered.slice(1)}V${HEIGHT}z"/>`,
    `<path class="attempts" d="M0 ${steps(rates(trace.attempts)).slice(1)}"/>`,
    `<path class="refused" d="M0 ${steps(rates(trace.refusals)).slice(1)}"/>`,
    `<path class="limit" d="M0 ${steps(limit).slice(1)}"/>`,
    '</g>',
  ]
  return parts.join('\n')
}

/** The mean of each minute. */
function perSecond(seconds: readonly number[]): number[] {
  return Array.from({ length: SHOWN }, (_, minute) => sumOf(seconds, minute * 60, minute * 60 + 60) / 60)
}

/** A line that goes up and down at the ends of minutes; it begins with the height of the first one. */
function steps(rates: readonly number[]): string {
  let path = ''
  let before: number | undefined
  for (const [minute, rate] of rates.entries()) {
    const height = heightOf(rate)
    if (height === before) continue
    path += before === undefined ? `V${height}` : `H${xOf(minute)}V${height}`
    before = height
  }
  return `${path}H${WIDTH}`
}

function xOf(minute: number): number {
  return (minute / SHOWN) * WIDTH
}

function heightOf(rate: number): number {
  const share = Math.log10(Math.max(rate, LEAST) / LEAST) / Math.log10(MOST / LEAST)
  return Math.round((1 - Math.min(1, share)) * HEIGHT)
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
}
