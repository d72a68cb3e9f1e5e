/** What `feedback` of the configuration says; never changed, a reload makes another. */
export interface FeedbackPolicy {
  /** Where reports are sent to, in lower case, and what kind of them. */
  readonly addresses: ReadonlyMap<string, ReportAddress>
  /** Header field by which our mail is traced; undefined: none. */
  readonly traceHeader: string | undefined
  /** Reports on a message that is older change nothing. */
  readonly expiresMs: number
  /** Relative to the Haraka directory. */
  readonly keyFile: string
  /** What the links to unsubscribe begin with, ending in `/`; undefined: there are none. */
  readonly unsubscribeUrl: string | undefined
  /** Folder for what no report is made of, relative to the Haraka directory; undefined: it is not kept. */
  readonly keep: string | undefined
}

export const REPORT_ADDRESSES = ['bounces', 'complaints', 'unsubscribe'] as const
export type ReportAddress = (typeof REPORT_ADDRESSES)[number]
