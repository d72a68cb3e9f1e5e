/** The shape of `config/sluice/responses.yaml`, the shipped one and the operator's. */
import { z } from 'zod'
import { ATTEMPT_PHASES } from '../../policy/attempt-phase'
import { RESPONSE_CLASSES, RESPONSE_SCOPES, type ResponseClass } from '../../feedback/response-class'
import { plainPhrase } from '../../feedback/phrases'
import { type JsonSchema, SchemaKeys } from '../json-schema'
import { NAME, NAME_HELP } from '../names'
import { consequences } from './consequences'

const MOST_RULES = 2000
const MOST_OF_A_KIND = 500
const LONGEST_SAMPLE = 2000
const CLASSES = Object.keys(RESPONSE_CLASSES) as [ResponseClass, ...ResponseClass[]]

/** One, or a list of them. */
function some<Item extends z.ZodType>(item: Item) {
  return z.union([item.transform((one) => [one]), z.array(item).min(1).max(MOST_OF_A_KIND)])
}

const phrase = z
  .string()
  .max(200)
  .refine((text) => plainPhrase(text) !== undefined, 'has no word that could be looked for')
  .refine((text) => !/.\*./.test(text), 'a * stands at the beginning or the end')
const sample = z.string().min(1).max(LONGEST_SAMPLE)

const rule = z.strictObject({
  provider: some(z.string().regex(NAME, NAME_HELP)).optional().describe('Who says it; none: anybody'),
  phase: some(z.enum(ATTEMPT_PHASES)).optional().describe('What it is said to'),
  code: some(z.string().regex(/^[245]\d{0,2}$/, 'write 421, or 4 for all that begin so, in quotes'))
    .optional()
    .describe('Codes, or how they begin'),
  enhanced: some(
    z
      .string()
      .regex(/^([245]?\.\d{1,3}\.(\d{1,3})?)$/, 'write 4.7.28, .7.28 for 4 and 5, or 4.7. for all that begin so'),
  )
    .optional()
    .describe('Enhanced codes (RFC 3463), as they are printed'),
  says: some(phrase).optional().describe('Words that it has: one of these. * for any letters, at the ends'),
  and: some(phrase).optional().describe('And one of these'),
  not: some(phrase).optional().describe('And none of these'),
  class: z.enum(CLASSES).describe('What it is about'),
  scope: z.enum(RESPONSE_SCOPES).optional().describe('Whom it is about'),
  then: consequences.optional().describe('What it sets off, in place of what its class does; [] for nothing'),
  passing: z.boolean().optional().describe('It will be over: a 5xx too is tried again'),
  provenance: z.string().min(1).max(300).optional().describe('Who says so, and since when'),
  is: z.array(sample).min(1).max(MOST_OF_A_KIND).describe('Answers that it is for; checked when the file is read'),
  is_not: z
    .array(sample)
    .max(MOST_OF_A_KIND)
    .optional()
    .describe('Answers that it is not for, though they look like it'),
})
export type WrittenRule = z.output<typeof rule>

export const responsesSchema = z.strictObject({
  version: z.literal(1).optional().describe('Of the form of this file: 1'),
  classes: z
    .partialRecord(z.enum(CLASSES), consequences)
    .optional()
    .describe('What the answers of a class set off, where their rule does not say'),
  responses: z
    .record(z.string().regex(NAME, NAME_HELP), z.union([z.literal(false), rule]))
    .refine((rules) => Object.keys(rules).length <= MOST_RULES, `more than ${MOST_RULES} rules`)
    .optional()
    .describe('Rules by name, the first that fits holds; false removes a shipped one'),
})
export type WrittenResponses = z.output<typeof responsesSchema>

/** What may stand where in the file. */
export const RESPONSES_KEYS = new SchemaKeys(() => z.toJSONSchema(responsesSchema, { io: 'input' }) as JsonSchema)
