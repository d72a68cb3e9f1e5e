import { hash32 } from '../keys/key'

/** How a rule acts. `canary` enforces for a share of the keys, always the same ones, and shadows the rest. */
export type Mode =
  | { readonly kind: 'off' }
  | { readonly kind: 'shadow' }
  | { readonly kind: 'canary'; readonly percent: number }
  | { readonly kind: 'enforce' }

/** Whether a rule in this mode refuses for this key; the one place where shadow and canary are told from enforce. */
export function isEnforced(mode: Mode, key: string): boolean {
  switch (mode.kind) {
    case 'off':
    case 'shadow':
      return false
    case 'canary':
      return hash32(key) % 10_000 < mode.percent * 100
    case 'enforce':
      return true
  }
}

export function modeText(mode: Mode): string {
  return mode.kind === 'canary' ? `canary ${mode.percent}%` : mode.kind
}
