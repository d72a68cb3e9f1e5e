import { keyValue } from '../keys/key'
import type { Label } from './label'

/** Who sends, as actions are ordered for: from the most particular to the least. */
export const SENDER_KINDS = ['campaign', 'account', 'client', 'tenant'] as const
export type SenderKind = (typeof SENDER_KINDS)[number]

export interface SenderName {
  readonly kind: SenderKind
  /** A campaign has a name of its tenant's choice, so that goes before it: `acme/spring`. */
  readonly name: string
}

const PREFIX = 'sender|'

/** What an action for a sender is ordered for, in the place of a path: `sender|account|ann@example.com`. */
export function senderTarget({ kind, name }: SenderName): string {
  return `${PREFIX}${kind}|${keyValue(kind === 'campaign' ? name : name.toLowerCase())}`
}

/** Who is meant; undefined for what is no target of a sender. Of a very long name there is a digest only. */
export function readSenderTarget(target: string): SenderName | undefined {
  const [, kind, name] = /^sender\|(\w+)\|(.+)$/s.exec(target) ?? []
  const known = SENDER_KINDS.find((one) => one === kind)
  if (known === undefined || name === undefined) return undefined
  try {
    return { kind: known, name: decodeURIComponent(name) }
  } catch {
    return { kind: known, name }
  }
}

export function isSenderTarget(target: string): boolean {
  return target.startsWith(PREFIX)
}

/** `account ann@example.com`. */
export function saySender({ kind, name }: SenderName): string {
  return `${kind} ${name}`
}

/** Whoever a message is of, as far as is known, the most particular first. */
export function sendersOf({
  tenant,
  account,
  campaign,
  client,
}: Pick<Label, 'tenant' | 'account' | 'campaign' | 'client'>): SenderName[] {
  const names: Record<SenderKind, string | undefined> = {
    campaign: campaign === undefined ? undefined : `${tenant ?? account ?? ''}/${campaign}`,
    account,
    // Behind one address there may be many accounts.
    client: account === undefined ? client : undefined,
    tenant,
  }
  return SENDER_KINDS.flatMap((kind) => {
    const name = names[kind]
    return name === undefined || name === '' ? [] : [{ kind, name }]
  })
}
