import type { Mode } from '../../policy/mode'
import type { Window } from '../../store/store'

/** What `automation` of the configuration says; never changed, a reload makes another. */
export interface AutomationPolicy {
  /** In which mode it holds what is ordered without a person. */
  readonly mode: Mode
  readonly blame: BlamePolicy
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
