import type { Feedback, FeedbackAnswer, Origin } from '../../../src/feedback/feedback'

export const AT = 1_790_000_000_000
export const GOOGLE = 'egress|default|google'

export const ORIGIN: Origin = {
  tenant: 'acme',
  account: 'ann@near.test',
  campaign: undefined,
  client: '192.0.2.7',
  sender: 'ann@near.test',
  message: 'ABC.1.1',
}

/** What Google has said of a message of ann's. */
export function said(
  kind: Feedback['kind'],
  answer?: Partial<FeedbackAnswer>,
  more: Partial<Omit<Feedback, 'origin'>> & { readonly origin?: Partial<Origin> } = {},
): Feedback {
  return {
    ...{ kind, at: AT, via: 'session', recipient: 'bob@far.test', path: GOOGLE, source: 'default', provider: 'google' },
    answer: answer && {
      ...{ responseClass: 'reputation', scope: 'source', isHard: false, rule: 'ours' },
      ...{ code: 421, enhanced: '4.7.28', text: 'Unusual rate of unsolicited mail' },
      ...answer,
    },
    ...more,
    origin: { ...ORIGIN, ...more.origin },
  }
}
