import { z } from 'zod'
import { type FeedbackPolicy, REPORT_ADDRESSES, type ReportAddress } from '../../feedback/feedback-policy'
import { durationMs } from '../values'

const MOST_ADDRESSES = 100

const addresses = (what: string) =>
  z
    .array(
      z
        .string()
        .max(320)
        .regex(/^[^\s@<>,;]+@[^\s@<>,;]+$/, 'write a whole address, such as bounces@example.com'),
    )
    .max(MOST_ADDRESSES)
    .describe(what)

const URL_HELP = 'write the beginning of the links, such as https://mail.example.com/unsubscribe/'

export const feedbackSchema = z
  .strictObject({
    bounces: addresses('Addresses that bounces come to: the envelope sender of your mail'),
    complaints: addresses('Addresses that feedback loops of providers report complaints to'),
    unsubscribe: addresses('Addresses that people write to who want no more; the first stands in List-Unsubscribe'),
    trace: z
      .union([
        z.literal(false),
        z
          .string()
          .max(70)
          .regex(/^X-[A-Za-z0-9-]+$/i, 'must begin with X-, letters, digits and - only: it is removed from the mail'),
      ])
      .describe('Header field of your mail that ties reports to it, where any of these addresses is set; false: none'),
    expires: durationMs.describe('Reports on a message that is older change nothing; links to unsubscribe have no end'),
    key_file: z
      .string()
      .min(1)
      .describe(
        'File with the keys of traces; made when it is not there; the same on all servers that share the store',
      ),
    unsubscribe_url: z
      .union([
        z.literal(false),
        z
          .string()
          .max(200)
          .regex(/^https:\/\/[A-Za-z0-9.:[\]-]+\/(?:[A-Za-z0-9._~-]+\/)*$/, URL_HELP),
      ])
      .describe('What links to unsubscribe begin with, in mail of class marketing to one recipient; false: none'),
    keep: z
      .union([z.literal(false), z.string().min(1)])
      .describe('Folder for mail to these addresses that is no report; the newest 500 stay; false: it is not kept'),
  })
  .superRefine((section, context) => {
    const seen = new Map<string, ReportAddress>()
    for (const name of REPORT_ADDRESSES) {
      for (const [index, address] of section[name].entries()) {
        const other = seen.get(address.toLowerCase())
        seen.set(address.toLowerCase(), other ?? name)
        if (other === undefined) continue
        const message = `${address} stands in ${other} too: what comes to it is read either way, so name it once`
        context.addIssue({ code: 'custom', path: [name, index], message })
      }
    }
  })

export function compileFeedback(section: z.output<typeof feedbackSchema>): FeedbackPolicy {
  return {
    addresses: new Map(
      REPORT_ADDRESSES.flatMap((name) => section[name].map((address) => [address.toLowerCase(), name] as const)),
    ),
    traceHeader: section.trace === false ? undefined : section.trace,
    expiresMs: section.expires,
    keyFile: section.key_file,
    unsubscribeUrl: section.unsubscribe_url === false ? undefined : section.unsubscribe_url,
    keep: section.keep === false ? undefined : section.keep,
  }
}
