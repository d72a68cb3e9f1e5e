import type { CurveDay } from './curve'

const WIDTH = 760
const HEIGHT = 360
const LEFT = 70
const BOTTOM = 40
const TOP = 40
const MARKS = 4

/** The same curve as a picture: bars for what was sent, a line for the quota, dashed for days to come. */
export function svgOf(title: string, days: readonly CurveDay[]): string {
  const top = Math.max(1, ...days.map(({ quota, sent = 0 }) => Math.max(quota, sent)))
  const slot = (WIDTH - LEFT - 20) / Math.max(1, days.length)
  const x = (index: number) => figure(LEFT + index * slot)
  const y = (count: number) => figure(HEIGHT - BOTTOM - (count / top) * (HEIGHT - BOTTOM - TOP))
  const bars = days.flatMap(({ sent, date }, index) =>
    sent === undefined
      ? []
      : `<rect x="${figure(LEFT + index * slot + slot * 0.15)}" y="${y(sent)}" width="${figure(slot * 0.7)}" ` +
        `height="${figure(HEIGHT - BOTTOM - y(sent))}" fill="#7aa6c2"><title>${date}: ${sent} sent</title></rect>`,
  )
  const over = days.filter(({ sent }) => sent !== undefined).length
  const stairs = (from: number, to: number) =>
    days
      .slice(from, to)
      .map(({ quota }, index) => `${x(from + index)},${y(quota)} ${x(from + index + 1)},${y(quota)}`)
      .join(' ')
  const line = (points: string, dash: string) =>
    points === '' ? [] : [`<polyline points="${points}" fill="none" stroke="#b5472f" stroke-width="2"${dash}/>`]
  const marks = Array.from({ length: MARKS + 1 }, (_, index) => Math.round((top * index) / MARKS)).map(
    (count) =>
      `<line x1="${LEFT}" x2="${WIDTH - 20}" y1="${y(count)}" y2="${y(count)}" stroke="#ddd"/>` +
      text(LEFT - 8, y(count) + 4, 'end', String(count)),
  )
  const every = Math.ceil(days.length / 8)
  const dates = days.flatMap(({ date }, index) =>
    index % every === 0 ? [text(x(index) + slot / 2, HEIGHT - BOTTOM + 18, 'middle', date.slice(5))] : [],
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...[text(LEFT, 20, 'start', title), ...marks, ...bars],
    ...line(stairs(0, over), ''),
    ...line(stairs(over, days.length), ' stroke-dasharray="5 4"'),
    ...dates,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, anchor: string, words: string): string {
  return `<text x="${figure(x)}" y="${figure(y)}" text-anchor="${anchor}" fill="#333">${escaped(words)}</text>`
}

function escaped(words: string): string {
  return words.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
}

function figure(value: number): number {
  return Number(value.toFixed(1))
}
