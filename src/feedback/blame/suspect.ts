import type { SenderKind } from '../../egress/sender-target'
import { SENDER_KINDS } from '../../egress/sender-target'
import type { BlamePolicy } from '../automation/policy'

/** How a sender has done at one place within the window. */
export interface Standing {
  /** `sender|account|ann@example.com`. */
  readonly target: string
  readonly kind: SenderKind
  readonly name: string
  /** Recipients that were answered. */
  readonly all: number
  /** Recipients whose answer speaks against whoever sent it. */
  readonly bad: number
}

export interface Suspect {
  readonly standing: Standing
  /** Bad answers to all mail, of whomever it is, and all answers. */
  readonly badOfAll: number
  readonly all: number
}

/**
 * Whom bad answers are to be blamed on: somebody who has most of them, and more in a hundred than the others have. Campaigns
 * come before accounts, and those before tenants, so that nobody is held back for what another does. Undefined when it is no
 * single one. `domain`: the answer names it; then it is somebody of that domain, or nobody.
 */
export function suspectIn(
  standings: readonly Standing[],
  { least, share, times }: Pick<BlamePolicy, 'least' | 'share' | 'times'>,
  domain?: string,
): Suspect | undefined {
  // Mail of no campaign, or without a login, is mail of others too: each message is of one account, or one client.
  const everybody = standings.filter(({ kind }) => kind === 'account' || kind === 'client')
  for (const kind of SENDER_KINDS) {
    const ofKind = standings.filter((one) => one.kind === kind)
    const candidates = domain === undefined ? ofKind : ofKind.filter(({ name }) => isOf(name, domain))
    const worst = candidates.reduce<Standing | undefined>(
      (one, other) => (other.bad > (one?.bad ?? 0) ? other : one),
      undefined,
    )
    if (!worst || worst.bad < least) continue
    const badOfAll = Math.max(sum(ofKind, 'bad'), sum(everybody, 'bad'))
    const all = Math.max(sum(ofKind, 'all'), sum(everybody, 'all'))
    const [otherBad, others] = [badOfAll - worst.bad, all - worst.all]
    if (worst.bad < share * badOfAll) continue
    if (others > 0 && worst.bad * others < times * otherBad * worst.all) continue
    return { standing: worst, badOfAll, all }
  }
  return undefined
}

function isOf(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`@${domain}`) || name.startsWith(`${domain}/`)
}

function sum(standings: readonly Standing[], key: 'bad' | 'all'): number {
  return standings.reduce((total, one) => total + one[key], 0)
}

/** Google writes the domain that it means: `your SPF domain [example.com 35]`. */
export function domainIn(text: string): string | undefined {
  return /\bdomain \[?\s*((?:[a-z0-9-]+\.)+[a-z]{2,})\b/i.exec(text)?.[1]?.toLowerCase()
}
