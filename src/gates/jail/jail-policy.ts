import { type CidrMap, type IpAddress, isPrivate } from '../../keys/address'
import type { Mode } from '../../policy/mode'
import type { Window } from '../../store/store'
import type { Sentencing } from './sentence'

/** What counts against a client, by name: failed logins, recipients nobody takes, relaying, wrong commands, … */
export const OFFENCES = ['auth', 'unknown_recipient', 'relay', 'protocol', 'junk', 'probe', 'early', 'listed'] as const
export type Offence = (typeof OFFENCES)[number]

export interface JailPolicy {
  readonly mode: Mode
  readonly remedy: 'defer' | 'reject'
  /** How many points each offence is; 0: it does not count. */
  readonly points: Readonly<Record<Offence, number>>
  /** Fast, slow and very slow buckets of a client: more points than these in these times, and it is banned. */
  readonly client: readonly Window[]
  /** Of an account, whoever tries it: more failed logins, and each further attempt at it is held for a while. */
  readonly account: readonly Window[]
  /** Of an account from one client: the same, for that client alone. */
  readonly clientAccount: readonly Window[]
  readonly slowMs: number
  /** More banned clients than this within a day, each another one, and their network is banned. */
  readonly offenders: number
  readonly sentencing: Sentencing
  /** How long a ban is remembered, so that the next is longer. */
  readonly memoryMs: number
  readonly never: CidrMap<true>
}

/** Why an address is never banned; undefined when it may be. Asked when a ban is made and when it is applied. */
export type Protection = (address: IpAddress) => string | undefined

export function protectionOf(
  trusted: CidrMap<true>,
  never: CidrMap<true>,
  /** Known in a Haraka process only. */
  isProxy: (address: IpAddress) => boolean = () => false,
): Protection {
  return (address) => {
    if (trusted.find(address)) return 'a trusted network'
    if (never.find(address)) return 'listed in jail.never'
    if (isProxy(address)) return 'a proxy of this server'
    return isPrivate(address) ? 'a private address' : undefined
  }
}
