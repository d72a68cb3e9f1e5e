/**
 * The shape of `config/sluice.yaml`. What is read here becomes a compiled policy in `compile.ts`.
 * Unknown keys are refused everywhere; descriptions feed `sluice config schema` and the generated reference.
 */
import { z } from 'zod'
import { COUNTS, DIMENSIONS } from '../gates/limits/rule'
import { LIMIT_FORMS, limit } from './limit'
import { automationSchema } from './sections/automation'
import { dnsSchema, dnsblSchema, rdnsSchema } from './sections/dns'
import { egressSchema } from './sections/egress'
import { feedbackSchema } from './sections/feedback'
import { greylistSchema } from './sections/greylist'
import { jailSchema } from './sections/jail'
import { mailbombSchema } from './sections/mailbomb'
import { overloadSchema } from './sections/overload'
import { reputationSchema } from './sections/reputation'
import { scoreSchema } from './sections/score'
import { suppressionSchema } from './sections/suppression'
import { cidr, durationMs, mode, sizeBytes } from './values'

export { limit, readLimit } from './limit'

const ruleName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'a rule name is lower case letters, digits and _, at most 40')

export const ruleSchema = z.strictObject({
  count: z.enum(COUNTS).describe('What is counted: it fixes when the rule is asked'),
  per: z
    .union([z.enum(DIMENSIONS), z.array(z.enum(DIMENSIONS)).min(1).max(5)])
    .transform((per) => (typeof per === 'string' ? [per] : per))
    .describe('What the counter belongs to; a list makes a tuple'),
  limit: limit.describe('How much: 5/min, a list of windows, {rate, burst} or {concurrency}'),
  tiers: z.boolean().optional().describe('Also hold wider prefixes of the address to 3 and 9 times the limit'),
  mode: mode.optional().describe('off, shadow, {canary: 10%} or enforce; default: the mode at the top'),
  answer: z
    .enum(['delay', 'defer', 'reject'])
    .optional()
    .describe('What a client over the limit gets; default defer (450/421)'),
  on_error: z
    .enum(['accept', 'defer'])
    .optional()
    .describe(
      'defer: defer everybody while the shared store is out of reach; default accept: judge by this process alone',
    ),
  exempt: z
    .array(z.enum(['trusted', 'authenticated']))
    .optional()
    .describe('Who is not held to the limit; default [trusted]'),
  direction: z
    .enum(['inbound', 'submission'])
    .optional()
    .describe('Only mail from strangers, or only from our own users'),
  until: z
    .enum(['proven'])
    .optional()
    .describe('proven: holds only until the client or its domain has a good reputation'),
  overrides: z
    .record(z.string(), z.unknown().meta({ anyOf: [{ const: 'exempt' }, ...LIMIT_FORMS] }))
    .optional()
    .describe('Another limit, or exempt, for an address, domain, account or network'),
  overrides_file: z
    .string()
    .optional()
    .describe('Map file with more overrides, one "key limit" a line; reloads when it changes'),
  text: z
    .string()
    .max(120)
    .regex(/^[\x20-\x7e]*$/, 'printable ASCII only: it goes into an SMTP reply')
    .optional()
    .describe('What the client reads'),
})
export type RuleInput = z.infer<typeof ruleSchema>

const sessionSchema = z.strictObject({
  recipients: z.number().int().min(1).max(10_000).describe('RCPT commands in one session'),
  errors: z.number().int().min(1).max(10_000).describe('Wrong commands in one session, then 421'),
  junk: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .describe('Commands that move no mail (NOOP, RSET, VRFY …) in one session, then 421'),
  length: durationMs.describe('How long a session may go on taking new messages, then 421'),
  mode: mode.optional().describe('Mode of these four; default: the mode at the top'),
})

const hardeningSchema = z.strictObject({
  vrfy: z.enum(['refuse', 'pass']).describe('refuse: VRFY and EXPN answer 502 5.5.1, an open transaction stays'),
  banner: z.enum(['minimal', 'haraka']).describe('minimal: "220 HOST ESMTP" and no version anywhere'),
  relay: z
    .enum(['guard', 'off'])
    .describe(
      'guard: refuse classic relay tricks in recipient addresses (user%host@us, @us:user@host, "user@host"@us)',
    ),
})

const tarpitSchema = z.strictObject({
  longest: durationMs
    .refine((ms) => ms <= 20_000, 'at most 20s: Haraka gives a hook 30s, and clients lose patience')
    .describe('A client is held at most so long; a limit that frees later defers at once'),
  most: z
    .number()
    .int()
    .min(0)
    .max(10_000)
    .describe('Clients held at a time in one process; beyond it they are deferred at once'),
})

const LISTEN_HELP = 'write HOST:PORT such as 127.0.0.1:8787 or [::1]:8787, or false for none'

const httpSchema = z.strictObject({
  listen: z
    .union([
      z.literal(false),
      z
        .string()
        .regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, LISTEN_HELP)
        .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, LISTEN_HELP),
    ])
    .describe('Metrics, health and the API; false for none'),
  token_file: z
    .string()
    .min(1)
    .describe('File that holds the token which changes over HTTP need; made when it is not there'),
})

const decisionLogSchema = z.strictObject({
  path: z.string().min(1).describe('Folder, relative to the Haraka directory'),
  record: z
    .enum(['all', 'denied'])
    .describe('all: every judged stage, for why and replay; denied: only what was or would have been refused'),
  rotate: sizeBytes.describe('A file is closed at this size, and every midnight (UTC)'),
  keep: durationMs.describe('Files older than this are deleted'),
  most: sizeBytes.describe('All files together; beyond it the oldest are deleted'),
})

const maildropSchema = z.strictObject({
  path: z.string().min(1).describe('Folder in which plugin maildrop keeps mail, relative to the Haraka directory'),
})

const storeSchema = z.union([
  z.string(),
  z.strictObject({
    at: z.string().describe('The same as the short form: memory, lmdb:PATH, redis://HOST:PORT/DB'),
    max_keys: z
      .number()
      .int()
      .min(1000)
      .max(100_000_000)
      .optional()
      .describe('Keys kept at most; counters and what is remembered have half each for certain, the soonest to end go'),
    max_records: z
      .number()
      .int()
      .min(1000)
      .max(100_000_000)
      .optional()
      .describe('Suppressed addresses kept at most; beyond it no new one is taken, and that is said'),
    timeout: durationMs
      .refine((ms) => ms <= 5000, 'at most 5s: a client waits for the answer')
      .optional()
      .describe('How long a store over the network may take before this process judges by its own share'),
    prefix: z
      .string()
      .regex(/^[a-z0-9_-]{1,32}$/, 'lower case letters, digits, _ and -, at most 32')
      .optional()
      .describe('Begins every key in Redis, so that several installations can share one'),
  }),
])

export const configSchema = z.strictObject({
  mode: mode.describe('Mode of every rule that names none'),
  store: storeSchema.describe('memory, lmdb:PATH, or redis://HOST:PORT/DB'),
  trusted: z.array(cidr).describe('Networks whose clients no limit holds'),
  tenants: z
    .record(z.string(), z.string())
    .describe('Account or account domain to tenant; default: the domain of the account'),
  http: httpSchema.describe('Where the server tells how it is'),
  decisions: decisionLogSchema.describe('Record of what was judged, for `sluice why` and for replay'),
  tarpit: tarpitSchema.describe('Bounds on rules with answer: delay'),
  session: sessionSchema.describe('What one session may do; kept in the process, no store needed'),
  hardening: hardeningSchema.describe('Commands and texts that help an attacker'),
  greylist: greylistSchema.describe('Strangers are deferred once, by plugin greylist'),
  overload: overloadSchema.describe('New clients are shed in steps under overload, by plugin overload'),
  score: scoreSchema.describe('All that speaks for and against a stranger, in one sum, by plugin score'),
  jail: jailSchema.describe('Who does too much wrong is shut out for a while, by plugin jail'),
  reputation: reputationSchema.describe('How clients have behaved so far, by plugin reputation'),
  mailbomb: mailbombSchema.describe('A mailbox that many strangers write to at once, by plugin mailbomb'),
  dns: dnsSchema.describe('How DNS is asked, by plugins dnsbl and rdns'),
  dnsbl: dnsblSchema.describe('Who is on DNS lists, by plugin dnsbl'),
  rdns: rdnsSchema.describe('Who has no proper reverse name or HELO, by plugin rdns'),
  automation: automationSchema.describe('What answers and reports set off by themselves'),
  egress: egressSchema.describe(
    'How mail leaves, by plugin egress: its class, what it is sent from, when it is given up',
  ),
  feedback: feedbackSchema.describe(
    'What others say of your mail by mail and by link: bounces, complaints, unsubscriptions',
  ),
  suppression: suppressionSchema.describe('Addresses that no mail is sent to, by plugin suppress'),
  maildrop: maildropSchema.describe('Mail kept as files, by plugin maildrop'),
  limits: z
    .record(ruleName, z.union([z.literal(false), ruleSchema]))
    .describe('Rules by name; false removes a shipped one'),
})
/** A valid configuration, units read. */
export type Config = z.output<typeof configSchema>
/** What a file may hold before units are read. */
export type ConfigInput = z.input<typeof configSchema>
