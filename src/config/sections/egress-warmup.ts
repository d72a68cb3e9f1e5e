import { z } from 'zod'
import { Calendar, isTimeZone } from '../../egress/warmup/calendar'
import type { Ladder } from '../../egress/warmup/ladder'
import { OTHER, type SourceWarmup, type WarmupPolicy } from '../../egress/warmup/policy'
import { NAME, NAME_HELP } from '../names'
import { didYouMean, type Mistake } from '../problem'
import { type Read, readShare } from '../units'
import { mode, share, unit } from '../values'

/** No source sends more a day. */
const MOST_A_DAY = 100_000_000
const MOST_STAGES = 200
const DAYS = { min: 1, max: 400 }

const recipients = z.number().int().min(1).max(MOST_A_DAY)
const growth = unit((text): Read<number> => readShare(text)).refine(
  (value) => value >= 0.01 && value <= 1,
  'from 1% to 100%; 25% to 50% is usual',
)
const stages = z
  .array(recipients)
  .min(1)
  .max(MOST_STAGES)
  .refine((all) => all.every((one, index) => index === 0 || one > all[index - 1]!), 'must rise')
const zone = z
  .string()
  .max(60)
  .refine(isTimeZone, {
    error: ({ input }) => `"${String(input)}" is no time zone: write UTC, or a name such as Europe/Berlin`,
  })

const ladder = {
  start: recipients.optional().describe('Recipients on the first day'),
  growth: growth.optional().describe('So much more a day'),
  stages: stages.optional().describe('In place of start and growth: recipients a day, day after day'),
  until: recipients.optional().describe('Who may send so many a day is warm'),
}

/** Of one source. */
export const sourceWarmupSchema = z.union([
  z.boolean(),
  z.strictObject({
    ...ladder,
    groups: z
      .array(z.string().regex(NAME, NAME_HELP))
      .min(1)
      .max(100)
      .optional()
      .describe('Providers that it warms up with, other among them; default: all'),
  }),
])

/** What holds where the file says nothing. */
export const WARMUP_DEFAULTS = {
  mode: 'enforce',
  time_zone: 'UTC',
  start: 200,
  growth: '30%',
  until: 100_000,
  spread: { ahead: '5%', catch_up: 3 },
  used: '80%',
  delivered: '90%',
  bounces: '5%',
  deferrals: '10%',
  complaints: '0.1%',
  least: 50,
  rest: { below: '10%', after_days: 7, over_days: 30 },
  new_tenants: false,
} as const

export const warmupSchema = z
  .strictObject({
    mode: mode.describe('Of its own: in shadow it counts, and holds nothing'),
    time_zone: zone.describe('Where a day begins at midnight: an IANA name, such as Europe/Berlin'),
    start: recipients.describe('Recipients on the first day, of a source with a provider'),
    growth: growth.describe('So much more on the day after a good one'),
    stages: stages.optional().describe('In place of start and growth: recipients a day, day after day'),
    until: recipients.describe('Who may send so many a day is warm, and held to nothing'),
    spread: z
      .union([
        z.literal(false),
        z.strictObject({
          ahead: share.describe('This part of the day may go at once'),
          catch_up: z
            .number()
            .min(1)
            .max(24)
            .describe('What comes later in the day goes at most so many times as fast'),
        }),
      ])
      .describe('Over the whole day, evenly; false: at once'),
    used: share.describe('There is a step up only when so much of the day was sent'),
    delivered: share.describe('… and more than this was taken'),
    bounces: share.describe('… and less than this bounced'),
    deferrals: share.describe('… and less than this was put off, other than by greylisting'),
    complaints: share.describe('… and fewer than this complained'),
    least: z.number().int().min(1).max(MOST_A_DAY).describe('Twice as bad is a step down, of so many answers at least'),
    rest: z
      .strictObject({
        below: share.describe('A day with less than this part of it is one of rest'),
        after_days: z
          .number()
          .int()
          .min(DAYS.min)
          .max(DAYS.max)
          .describe('From then on each day of rest is a step down'),
        over_days: z.number().int().min(DAYS.min).max(DAYS.max).describe('After so many it begins anew'),
      })
      .describe('A source that hardly sends cools'),
    new_tenants: z
      .union([
        z.literal(false),
        z.strictObject({ mode: mode.optional().describe('Of its own; default: shadow'), ...ladder }),
      ])
      .describe(
        'The same for all mail of a tenant, from its first, in a mode of its own (default: shadow); false: none',
      ),
  })
  .refine(({ rest }) => rest.over_days > rest.after_days, {
    path: ['rest', 'over_days'],
    message: 'must be more than after_days',
  })

type Section = z.output<typeof warmupSchema>
type Said = Exclude<z.output<typeof sourceWarmupSchema>, boolean>

export function compileWarmup(
  section: Section,
  sources: Readonly<Record<string, { readonly warmup?: z.output<typeof sourceWarmupSchema> | undefined }>>,
): WarmupPolicy {
  const { time_zone: zone, spread, rest, new_tenants: tenants, mode, used, delivered, ...rates } = section
  const warming = new Map<string, SourceWarmup>()
  for (const [name, { warmup }] of Object.entries(sources)) {
    if (warmup === undefined || warmup === false) continue
    const said = warmup === true ? {} : warmup
    warming.set(name, { ladder: ladderFrom(section, said), groups: said.groups })
  }
  const { bounces, deferrals, complaints, least } = rates
  return {
    mode,
    calendar: new Calendar(zone),
    spread: spread === false ? undefined : { ahead: spread.ahead, catchUp: spread.catch_up },
    judgement: { used, delivered, bounces, deferrals, complaints, least },
    rest: { below: rest.below, after: rest.after_days, over: rest.over_days },
    sources: warming,
    tenants: tenants === false ? undefined : ofTenants(section, tenants),
  }
}

/** Those that are here already climb in shadow, by what they send. */
function ofTenants(all: Section, { mode = { kind: 'shadow' }, ...own }: Exclude<Section['new_tenants'], false>) {
  return { mode, ladder: { ...ladderFrom(all, own), cools: false } }
}

/** What a source says for itself, over what is said for all. Its own growth counts before everybody's table. */
function ladderFrom(all: Section, own: Said): Ladder {
  const isByGrowth = own.stages === undefined && (own.start !== undefined || own.growth !== undefined)
  const stages = own.stages ?? (isByGrowth ? undefined : all.stages)
  const start = stages ? stages[0]! : (own.start ?? all.start)
  const until = Math.max(start, own.until ?? all.until)
  return { start, growth: own.growth ?? all.growth, stages, until, cools: true }
}

/** Whoever may send as much on the first day as when he is warm is held to nothing, and nobody would notice. */
export function hollowLadders({ sources, tenants }: WarmupPolicy): Mistake[] {
  const ladders: readonly (readonly [readonly string[], Ladder])[] = [
    ...[...sources].map(([name, { ladder }]) => [['egress', 'sources', name, 'warmup'], ladder] as const),
    ...(tenants ? [[['egress', 'warmup', 'new_tenants'], tenants.ladder] as const] : []),
  ]
  return ladders.flatMap(([path, { start, until }]) =>
    until > start
      ? []
      : { path, at: 'value', message: `is warm on the first day: until must be more than ${start}, where it starts` },
  )
}

/** A slip in the name of a provider would let a new address send it all there is. */
export function strangeGroups({ sources }: WarmupPolicy, providers: readonly string[]): Mistake[] {
  const known = [...providers, OTHER]
  return [...sources].flatMap(([source, { groups = [] }]) =>
    groups.flatMap((group, index) => {
      if (known.includes(group)) return []
      const meant = didYouMean(group, known)
      const mend = meant === undefined ? 'see config/sluice/providers.yaml, or write other' : `did you mean "${meant}"?`
      const path = ['egress', 'sources', source, 'warmup', 'groups', index]
      return { path, at: 'value', message: `no provider is called ${group}: ${mend}` } as const
    }),
  )
}
