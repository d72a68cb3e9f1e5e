import type { OwnAddressesPolicy } from '../../egress/own-addresses'
import type { Mode } from '../../policy/mode'
import type { Window } from '../../store/store'
import type { GuardPolicy } from '../guard/guard-policy'

/** What `automation` of the configuration says; never changed, a reload makes another. */
export interface AutomationPolicy {
  /** In which mode it holds what is ordered without a person. */
  readonly mode: Mode
  readonly blame: BlamePolicy
  readonly guard: GuardPolicy
  readonly told: ToldPolicy
  readonly ownAddresses: OwnAddressesPolicy
}

/** How whoever an answer is to be blamed on is found, and what is done to him. */
export interface BlamePolicy {
  /** How far back it is looked. */
  readonly windowMs: number
  /** So many bad answers at least. */
  readonly least: number
  /** So large a part of all bad answers, of his or hers alone. */
  readonly share: number
  /** So many times as many in a hundred recipients as the others have. */
  readonly times: number
  /** The first time: recipients. */
  readonly slow: Window
  /** When it goes on: for so long. */
  readonly pauseMs: number
}

/** Who is told when somebody's sending is slowed down or paused. */
export interface ToldPolicy {
  /** Address of whoever answers for a tenant, by its name in lower case. */
  readonly owners: ReadonlyMap<string, string>
  /** Told of all; undefined: nobody. */
  readonly postmaster: string | undefined
  readonly webhook: WebhookPolicy | undefined
}

export interface WebhookPolicy {
  /** https, or on loopback. */
  readonly url: string
  /** File with the secret that bodies are signed with; relative to Haraka's directory. */
  readonly secretFile: string
}
