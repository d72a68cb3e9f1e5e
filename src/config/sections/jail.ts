import { z } from 'zod'
import type { JailPolicy } from '../../gates/jail/jail-policy'
import { CidrMap } from '../../keys/address'
import type { Window } from '../../store/store'
import { readLimit } from '../limit'
import { cidr, durationMs, memoryMs, mode } from '../values'

/** `10/10m`, or a list of such. */
const buckets = z
  .unknown()
  .transform((input, context): readonly Window[] => {
    const read = readLimit(input)
    if ('value' in read && read.value.kind === 'windows') return read.value.windows
    const message = 'problem' in read ? read.problem : 'write windows such as [10/10m, 20/2h, 40/24h]'
    context.issues.push({ code: 'custom', message, input })
    return z.NEVER
  })
  .meta({ type: ['string', 'array'], examples: [['10/10m', '20/2h', '40/24h']] })

const points = z.number().int().min(0).max(1000)

export const jailSchema = z
  .strictObject({
    mode: mode.describe('Of its own: what the jail bans by itself. What you ban by hand holds in every mode but off'),
    answer: z
      .enum(['defer', 'reject'])
      .describe('What a banned client gets: defer (421, honest servers come back) or reject (554)'),
    never: z.array(cidr).max(10_000).describe('Networks that are never banned, besides trusted and private ones'),
    offences: z
      .strictObject({
        auth: points.describe('A failed login'),
        unknown_recipient: points.describe('A recipient that nobody takes'),
        relay: points.describe('A recipient elsewhere'),
        protocol: points.describe('A command that is wrong or out of order'),
        junk: points.describe('Twenty commands that move no mail'),
        probe: points.describe('VRFY or EXPN'),
        early: points.describe('It spoke before it was greeted'),
        listed: points.describe('Plugin dnsbl has refused it; once a session'),
      })
      .describe('Points of each offence; 0: it does not count'),
    client: buckets.describe('More points of a client than these, and it is banned'),
    account: buckets.describe('More failed logins of an account than these, and further attempts at it are slow'),
    login: buckets.describe('The same for one account from one client: slow for that client'),
    slow: durationMs
      .refine((ms) => ms <= 20_000, 'at most 20s: Haraka gives a hook 30s')
      .describe('How long such an attempt is held; bounded by tarpit too'),
    offenders: z.number().int().min(1).max(600).describe('More banned clients of a network in a day, and it is banned'),
    first: durationMs.describe('Length of the first ban; each further one is twice as long'),
    longest: memoryMs.describe('No ban of the jail is longer, but for up to a tenth more at random'),
    memory: memoryMs.describe('How long a ban is remembered, so that the next one is longer'),
  })
  .refine(({ first, longest }) => longest >= first, { path: ['longest'], message: 'must not be shorter than first' })
  .refine(({ memory, longest }) => memory > longest, {
    path: ['memory'],
    message: 'must be longer than longest, or nobody is ever remembered after the longest ban',
  })

export function compileJail(section: z.output<typeof jailSchema>): JailPolicy {
  const { answer, offences, client, account, login, slow, offenders, first, longest, memory, never } = section
  return {
    mode: section.mode,
    remedy: answer,
    points: offences,
    client,
    account,
    clientAccount: login,
    slowMs: slow,
    offenders,
    sentencing: { firstMs: first, longestMs: longest },
    memoryMs: memory,
    never: new CidrMap(never.map((range) => [range, true])),
  }
}
