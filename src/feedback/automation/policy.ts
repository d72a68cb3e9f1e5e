import type { Mode } from '../../policy/mode'

/** What `automation` of the configuration says; never changed, a reload makes another. */
export interface AutomationPolicy {
  /** In which mode it holds what is ordered without a person. */
  readonly mode: Mode
}
