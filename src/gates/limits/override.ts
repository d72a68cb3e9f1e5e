import type { Subject } from '../../policy/subject'
import type { Dimension, Override, Overrides } from './rule'

/** An override that applies, and the entry of the config or map that grants it. */
export interface FoundOverride {
  readonly value: Override
  readonly entry: string
}

/**
 * The override for a subject, looked up by what the rule's key is made of: an override of `example.com` on a rule per
 * recipient domain must not follow from the sender. The most particular wins: account, address, domain, network.
 */
export function findOverride(
  overrides: Overrides,
  per: readonly Dimension[],
  subject: Subject,
): FoundOverride | undefined {
  return (
    byAccount(overrides, per, subject) ??
    byAddress(overrides, per, subject) ??
    byDomain(overrides, per, subject) ??
    byNetwork(overrides, subject)
  )
}

/** Nobody has another limit: the usual case, asked once for each rule. */
export function isEmpty({ accounts, addresses, domains, networks }: Overrides): boolean {
  return accounts.size === 0 && addresses.size === 0 && domains.size === 0 && networks.empty
}

function byAccount(overrides: Overrides, per: readonly Dimension[], { account }: Subject): FoundOverride | undefined {
  if (account === undefined || !(per.includes('account') || per.includes('tenant'))) return undefined
  return found(account, overrides.accounts.get(account) ?? overrides.addresses.get(account))
}

function byAddress(overrides: Overrides, per: readonly Dimension[], subject: Subject): FoundOverride | undefined {
  for (const mailbox of named(per, subject)) {
    const hit = found(mailbox.address, overrides.addresses.get(mailbox.address))
    if (hit) return hit
  }
  return undefined
}

function byDomain(overrides: Overrides, per: readonly Dimension[], subject: Subject): FoundOverride | undefined {
  for (const { domain, organisation } of named(per, subject)) {
    const hit = found(domain, overrides.domains.get(domain)) ?? found(organisation, overrides.domains.get(organisation))
    if (hit) return hit
  }
  return undefined
}

function byNetwork(overrides: Overrides, subject: Subject): FoundOverride | undefined {
  return found(subject.client.ip, overrides.networks.find(subject.client.address))
}

/** The envelope's parties that the key names. */
function* named(per: readonly Dimension[], { sender, recipient }: Subject) {
  if (sender && (per.includes('sender') || per.includes('sender_domain'))) yield sender
  if (recipient && (per.includes('recipient') || per.includes('recipient_domain'))) yield recipient
}

function found(entry: string, value: Override | undefined): FoundOverride | undefined {
  return value === undefined ? undefined : { value, entry }
}
