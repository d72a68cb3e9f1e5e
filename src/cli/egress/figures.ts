import type { ResolvedFigure } from '../../egress/profile'
import type { Window } from '../../store/store'
import { humanTime } from '../terminal'

/** Heads of a table of figures. */
export const FIGURE_HEAD = ['FIGURE', 'VALUE', 'LAYER', 'LINE', 'WHO SAYS SO']

/** Figures of time, by the ends of their names. */
const TIMES = /^(timeouts\..*|retry\.(first|longest)|sessions\.idle)$/

/** A figure with where it comes from. */
export function figureRow(one: ResolvedFigure): string[] {
  const { place = '', provenance = '' } = one.origin ?? {}
  return [one.figure, sayValue(one), `${one.kind} ${one.name}`.trim(), place, provenance]
}

function sayValue({ figure, value }: ResolvedFigure): string {
  if (value === undefined) return 'no limit'
  if (typeof value === 'object') return sayRate(value)
  if (typeof value === 'string') return value
  if (TIMES.test(figure)) return humanTime(value)
  if (figure === 'retry.jitter') return `${Number((value * 100).toFixed(2))}%`
  return figure === 'size' ? `${value} bytes` : String(value)
}

function sayRate({ limit, windowMs }: Window): string {
  return `${limit} in ${humanTime(windowMs)}`
}
