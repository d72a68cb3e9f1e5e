import { isIP } from 'node:net'
import { z } from 'zod'
import { LONGEST_ACTION_MS } from '../../egress/steering-action'
import type { ToldPolicy } from '../../feedback/automation/policy'
import type { GuardPolicy } from '../../feedback/guard/guard-policy'
import { type Read, namesSize, readWindow } from '../units'
import { durationMs, share, unit } from '../values'

/** What holds where the file says nothing; the reasons stand in config/sluice.yaml. */
export const GUARD_DEFAULTS = {
  window: '24h',
  least: 200,
  soft: { slow: '8%', pause: '10%' },
  hard: { slow: '5%', pause: '10%' },
  complaints: { slow: '0.1%', pause: '0.3%', window: '7d', least: 1000 },
  rate: '20/h',
} as const

const least = z.number().int().min(1).max(1_000_000)
const window = durationMs.refine((ms) => ms >= 60_000, 'at least 1m')
const thresholds = {
  slow: share.describe('Above this the sender is slowed down'),
  pause: share.describe('Above this he is paused'),
}
const isRising = ({ slow, pause }: { readonly slow: number; readonly pause: number }) => slow <= pause
const RISING = { path: ['pause'], message: 'must not be below slow' }

const rate = unit((text) =>
  namesSize(text) ? { problem: `"${text}" counts bytes: write a number per time, such as 20/h` } : readWindow(text),
).refine(({ limit, windowMs }) => windowMs / limit <= LONGEST_ACTION_MS, 'at least one in 31d')

export const guardSchema = z
  .strictObject({
    window: window.describe('So far back bounces count'),
    least: least.describe('Among fewer recipients nobody is judged by his bounces'),
    soft: z.strictObject(thresholds).refine(isRising, RISING).describe('Recipients put off, or refused for now'),
    hard: z.strictObject(thresholds).refine(isRising, RISING).describe('Recipients that there is no use in writing to'),
    complaints: z
      .strictObject({
        ...thresholds,
        window: window.describe('So far back complaints count, and what was delivered'),
        least: least.describe('Among fewer delivered nobody is judged by complaints'),
      })
      .refine(isRising, RISING)
      .describe('Recipients who call it spam'),
    rate: rate.describe('Recipients that a sender may write to who is slowed down'),
  })
  .describe('Senders whose mail bounces or is complained of too often, by plugin senders')

export function compileGuard({ window, complaints, ...rest }: z.output<typeof guardSchema>): GuardPolicy {
  const { window: complaintsMs, ...figures } = complaints
  return { ...rest, windowMs: window, complaints: { ...figures, windowMs: complaintsMs } }
}

const mailAddress = z
  .string()
  .max(254)
  .regex(/^[!-9;=?A-Z^-~]+@[A-Za-z0-9.-]+$/, 'is no address to write to, such as postmaster@example.com')

const webhookUrl = unit((text): Read<string> => {
  const problem = `"${text}" is no address to post to: write https://HOST/PATH, or http:// on this host (127.0.0.1, [::1])`
  if (!URL.canParse(text)) return { problem }
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return { problem: 'a password in it would stand in logs: remove it' }
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
  return isSafe ? { value: text } : { problem }
})

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return (isIP(host) === 4 && host.startsWith('127.')) || host === '::1' || host === 'localhost'
}

/** Who is told; keys of the section `automation`. */
export const toldShape = {
  owners: z
    .record(z.string(), mailAddress)
    .refine((owners) => Object.keys(owners).length <= 10_000, 'too many: at most 10000')
    .describe('Tenant to the address that is told; an account that is an address is told itself'),
  postmaster: z
    .union([z.literal(false), mailAddress])
    .describe('Told whenever a sender is slowed down or paused; false: nobody'),
  webhook: z
    .union([
      z.literal(false),
      z.strictObject({
        url: webhookUrl.describe('Gets the same as JSON by POST'),
        secret_file: z
          .string()
          .min(1)
          .describe(
            'File that holds the secret which bodies are signed with (HMAC-SHA-256); made when it is not there',
          ),
      }),
    ])
    .describe('The same for a program; false: none'),
}
export function compileTold({ owners, postmaster, webhook }: z.output<z.ZodObject<typeof toldShape>>): ToldPolicy {
  return {
    owners: new Map(Object.entries(owners).map(([tenant, address]) => [tenant.toLowerCase(), address])),
    postmaster: postmaster === false ? undefined : postmaster,
    webhook: webhook === false ? undefined : { url: webhook.url, secretFile: webhook.secret_file },
  }
}
