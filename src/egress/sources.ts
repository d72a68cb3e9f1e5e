import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { ControllerPolicy } from './controller-policy'
import type { MailClass } from './fair-queue'
import type { ClassRules } from './mail-class'
import type { WarmupPolicy } from './warmup/policy'

/** What we send from. */
export interface Source {
  readonly name: string
  /** Local IPv4 address to connect from. */
  readonly bind: string | undefined
  /** Local IPv6 address. */
  readonly bind6: string | undefined
  /** Name for EHLO; undefined: Haraka's own. */
  readonly helo: string | undefined
}

/** Sources that share the mail of somebody. A source that is named in the place of a pool is a pool of its own. */
export interface Pool {
  readonly name: string
  /** Not empty. Weights are above 0: of 3 and 1 the first sends three quarters. */
  readonly members: readonly { readonly source: Source; readonly weight: number }[]
}

/** What `egress` of the configuration says; never changed, a reload makes another. */
export interface EgressPolicy {
  /** A message is given up when it has been queued for longer, a bounce sooner. */
  readonly lifetimeMs: number
  readonly bounceLifetimeMs: number
  /** The sender is told that a message is late when it has been queued for so long; undefined: never. */
  readonly delayNoticeMs: number | undefined
  /** All there are, the one called `default` among them. */
  readonly sources: ReadonlyMap<string, Source>
  readonly pools: PoolRules
  readonly classes: ClassRules
  readonly controller: ControllerPolicy
  readonly warmup: WarmupPolicy
}

/** Which pool somebody's mail goes out by: that of the account, else of the tenant, else of the class. */
export interface PoolRules {
  /** Accounts and tenants in lower case. */
  readonly ofAccount: ReadonlyMap<string, Pool>
  readonly ofTenant: ReadonlyMap<string, Pool>
  readonly ofClass: ReadonlyMap<MailClass, Pool>
  readonly standard: Pool
}

export interface Sender {
  readonly account: string | undefined
  readonly tenant: string | undefined
  readonly mailClass: MailClass
}

export interface ChosenPool {
  readonly pool: Pool
  /** Which rule of the configuration says so. */
  readonly by: 'account' | 'tenant' | 'class' | 'default'
}

export function choosePool({ pools }: Pick<EgressPolicy, 'pools'>, { account, tenant, mailClass }: Sender): ChosenPool {
  const ofAccount = account === undefined ? undefined : pools.ofAccount.get(account.toLowerCase())
  if (ofAccount) return { pool: ofAccount, by: 'account' }
  const ofTenant = tenant === undefined ? undefined : pools.ofTenant.get(tenant.toLowerCase())
  if (ofTenant) return { pool: ofTenant, by: 'tenant' }
  const ofClass = pools.ofClass.get(mailClass)
  return ofClass ? { pool: ofClass, by: 'class' } : { pool: pools.standard, by: 'default' }
}

/** Pools that somebody's mail goes out by; the others are only written down. */
export function poolsInUse({ pools: { ofAccount, ofTenant, ofClass, standard } }: Pick<EgressPolicy, 'pools'>): Pool[] {
  return [...new Set([...ofAccount.values(), ...ofTenant.values(), ...ofClass.values(), standard])]
}

/** Whether mail of a source may go by another one of some pool. */
export function sharesPool(policy: Pick<EgressPolicy, 'pools'>, source: string): boolean {
  return poolsInUse(policy).some(
    ({ members }) => members.length > 1 && members.some((member) => member.source.name === source),
  )
}

export interface SourceChoice extends Sender {
  /** The same for every attempt of a message, such as its id. Different for others, or they all have one source. */
  readonly stickyKey: string
  /** Sources that this message shall not take now: listed, suspended, without an address for the host. */
  readonly resting: (source: Source) => boolean
}

/**
 * The source of a message, the same at each attempt: greylisting and reputation go by the address. A source that rests
 * leaves its messages to the others of the pool by their weights, and gets the same ones back; those of the others stay
 * where they are. When all rest it is the one that would have had it: the message waits there.
 */
export function chooseSource(policy: Pick<EgressPolicy, 'pools'>, choice: SourceChoice): Source {
  const { members } = choosePool(policy, choice).pool
  if (members.length === 1) return members[0]!.source
  const awake = members.filter(({ source }) => !choice.resting(source))
  let best: Source | undefined
  let highest = -Infinity
  for (const { source, weight } of awake.length > 0 ? awake : members) {
    const score = drawOf(choice.stickyKey, source.name) / weight
    if (score > highest) [best, highest] = [source, score]
  }
  return best!
}

/**
 * The lot of a message at a source, below 0. Rendezvous hashing: the highest of ln(u) / weight wins, and does so as often
 * as its weight says, with no table to keep.
 */
function drawOf(stickyKey: string, source: string): number {
  const digest = createHash('sha256').update(stickyKey).update('\0').update(source).digest()
  return Math.log((digest.readUIntBE(0, 6) + 0.5) / 2 ** 48)
}

/** The local address of a connection; without one the system chooses. */
export interface Bind {
  readonly address: string | undefined
}

/** Where a source connects from to get to an address; undefined when it has none of that family. */
export function bindFor({ bind, bind6 }: Source, ip: string): Bind | undefined {
  if (bind === undefined && bind6 === undefined) return { address: undefined }
  const family = isIP(ip)
  const address = family === 4 ? bind : family === 6 ? bind6 : undefined
  return address === undefined ? undefined : { address }
}
