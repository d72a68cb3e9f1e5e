/** How the figures of egress are written, in any layer of `config/sluice/providers.yaml`. */
import { z } from 'zod'
import {
  type EgressFigures,
  type FigureName,
  NEEDED_FIGURES,
  OPTIONAL_FIGURES,
  type OptionalFigure,
  type TlsVersion,
} from '../../egress/profile'
import type { Window } from '../../store/store'
import { type Read, namesSize, readWindow } from '../units'
import { durationMs, sizeBytes, unit } from '../values'

const SECOND_MS = 1000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const rate = unit((text): Read<Window> => {
  if (namesSize(text)) return { problem: `"${text}" counts bytes: write a number per time, such as 100/s` }
  const read = readWindow(text)
  if ('problem' in read) return read
  const { limit, windowMs } = read.value
  if (windowMs > DAY_MS || (limit / windowMs) * SECOND_MS > 10_000) {
    return { problem: `"${text}" is out of range: at most 10000/s, and a time of at most 1d` }
  }
  return read
})

function time(leastMs: number, mostMs: number, range: string) {
  return durationMs.refine((ms) => ms >= leastMs && ms <= mostMs, `is out of range: ${range}`)
}

const idle = time(SECOND_MS, 10 * MINUTE_MS, 'from 1s to 10m')
const wait = time(SECOND_MS, DAY_MS, 'from 1s to 1d')
const phase = time(SECOND_MS, 60 * MINUTE_MS, 'from 1s to 1h')

const jitter = unit((text): Read<number> => {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())?.[1] ?? Number.NaN)
  if (percent >= 0 && percent <= 50) return { value: percent / 100 }
  return { problem: `"${text}" is no share of at most a half: write a percentage from 0% to 50%` }
})

const VERSIONS: Readonly<Record<string, TlsVersion>> = {
  ...{ '1': 'TLSv1', '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' },
}
const tlsVersion = unit((text): Read<TlsVersion> => {
  const version = VERSIONS[text]
  return version ? { value: version } : { problem: `"${text}" is no version of TLS: write 1.0, 1.1, 1.2 or 1.3` }
})
const demand = z.enum(['opportunistic', 'required'])

const GROUPS = ['sessions', 'tls', 'retry', 'timeouts'] as const
/** What a provenance may be given for. */
const PROVEN = ['all', ...GROUPS, ...NEEDED_FIGURES, ...OPTIONAL_FIGURES] as const
const provenance = z
  .string()
  .max(200)
  .regex(/^[^\p{Cc}]*\S, \d{4}-\d{2}(?:-\d{2})?$/u, 'says who, and since when: "KumoMTA community shaping, 2026-08"')

const provenanceByFigure = z.strictObject(
  Object.fromEntries(PROVEN.map((name) => [name, provenance.optional()])) as Record<
    (typeof PROVEN)[number],
    z.ZodOptional<typeof provenance>
  >,
)

/** The keys of a layer, all optional. */
export const figureShape = {
  connections: z.number().int().min(1).max(1000).optional().describe('Parallel sessions'),
  message_rate: rate.optional().describe('Messages per time: 100/s, 16/min'),
  connection_rate: rate.optional().describe('New sessions per time'),
  recipients: z.number().int().min(1).max(10_000).optional().describe('Recipients of one message'),
  size: sizeBytes
    .refine((bytes) => bytes >= 65_536, 'is out of range: at least 64kB (RFC 5321 §4.5.3.1.7)')
    .optional()
    .describe('Largest message'),
  sessions: z
    .union([
      z.literal('off'),
      z.literal(false),
      z.strictObject({
        messages: z.number().int().min(1).max(100_000).optional().describe('Messages in one session'),
        idle: idle.optional().describe('How long an idle session is kept'),
      }),
    ])
    .optional()
    .describe('Sessions that are used again: off, or {messages, idle}'),
  tls: z
    .union([
      demand,
      z.strictObject({
        demand: demand.optional().describe('opportunistic, or required: no mail without TLS'),
        min_version: tlsVersion.optional().describe('1.0, 1.1, 1.2 or 1.3'),
      }),
    ])
    .optional()
    .describe('opportunistic, required, or {demand, min_version}'),
  retry: z
    .strictObject({
      first: wait.optional().describe('Wait after the first failure'),
      factor: z.number().min(1).max(10).optional().describe('Each wait is so many times the one before'),
      longest: wait.optional().describe('No wait is longer'),
      jitter: jitter.optional().describe('Share by which a wait may be shorter or longer'),
    })
    .optional()
    .describe('When mail that was deferred is tried again'),
  timeouts: z
    .strictObject({
      connect: phase.optional().describe('For the connection'),
      greeting: phase.optional().describe('For the greeting'),
      ehlo: phase.optional().describe('For the answer to EHLO'),
      starttls: phase.optional().describe('For STARTTLS and the handshake'),
      mail: phase.optional().describe('For the answer to MAIL'),
      rcpt: phase.optional().describe('For the answer to RCPT'),
      data: phase.optional().describe('For the answer to DATA'),
      dot: phase.optional().describe('For the answer to the final dot; too short delivers twice'),
    })
    .optional()
    .describe('Longest wait for each phase'),
  unset: z
    .array(z.enum(OPTIONAL_FIGURES))
    .max(OPTIONAL_FIGURES.length)
    .optional()
    .describe('Limits of earlier layers that do not hold here'),
  provenance: z
    .union([provenance, provenanceByFigure])
    .optional()
    .describe('Who says so, and since when; or that by figure'),
}
export type WrittenFigures = z.output<z.ZodObject<typeof figureShape>>

/** Single figures of what was written in one layer. */
export function figuresOf(input: WrittenFigures): Partial<EgressFigures> {
  const { connections, message_rate, connection_rate, recipients, size, sessions, tls, retry, timeouts } = input
  const isOff = sessions === 'off' || sessions === false
  const all: { -readonly [F in FigureName]?: EgressFigures[F] | undefined } = {
    ...{ connections, message_rate, connection_rate, recipients, size },
    sessions: sessions === undefined ? undefined : isOff ? 'off' : 'on',
    'sessions.messages': typeof sessions === 'object' ? sessions.messages : undefined,
    'sessions.idle': typeof sessions === 'object' ? sessions.idle : undefined,
    tls: typeof tls === 'object' ? tls.demand : tls,
    'tls.min_version': typeof tls === 'object' ? tls.min_version : undefined,
    ...prefixed('retry', retry),
    ...prefixed('timeouts', timeouts),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

function prefixed(group: string, values: object = {}): Partial<EgressFigures> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${group}.${key}`, value as number]))
}

/** What a layer both says and takes away. */
export function saidAndUnset(input: WrittenFigures): OptionalFigure[] {
  const figures = figuresOf(input)
  return (input.unset ?? []).filter((figure) => figures[figure] !== undefined)
}

/** On whose word a figure stands: its own, else that of its group, else that of all. */
export function provenanceOf({ provenance }: WrittenFigures, figure: FigureName): string | undefined {
  if (typeof provenance !== 'object') return provenance
  const group = GROUPS.find((name) => figure.startsWith(`${name}.`))
  return provenance[figure] ?? (group && provenance[group]) ?? provenance.all
}
