import { noticeMail } from '../../egress/notice-mail'
import { saySender } from '../../egress/sender-target'
import type { Action, ActionValues } from '../../egress/steering-action'
import type { ToldPolicy } from '../automation/policy'
import type { SenderStep } from './sender-guard'

/** As in RCPT; names of accounts are no addresses everywhere. */
const ADDRESS = /^[!-9;=?A-Z^-~]+@[a-z0-9.-]+\.[a-z][a-z0-9-]*$/i
const MOST_ADDRESS = 254

/** Who is to be told of a step: the owner of the account or tenant, and the postmaster; each once. */
export function toldOf(
  { name: { kind, name } }: Pick<SenderStep, 'name'>,
  { owners, postmaster }: ToldPolicy,
): string[] {
  const told: string[] = []
  if (kind === 'account' && ADDRESS.test(name) && name.length <= MOST_ADDRESS) told.push(name)
  if (kind === 'account') told.push(...ownersOf(name.slice(name.lastIndexOf('@') + 1), owners))
  if (kind === 'tenant') told.push(...ownersOf(name, owners))
  if (kind === 'campaign') told.push(...ownersOfCampaign(name, owners))
  if (postmaster !== undefined) told.push(postmaster)
  return [...new Map(told.map((address) => [address.toLowerCase(), address])).values()]
}

function ownersOf(tenant: string, owners: ToldPolicy['owners']): string[] {
  const owner = owners.get(tenant.toLowerCase())
  return owner === undefined ? [] : [owner]
}

/** `tenant/name`, either of which may have a slash of its own: the longest tenant that fits. */
function ownersOfCampaign(name: string, owners: ToldPolicy['owners']): string[] {
  for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
    const found = ownersOf(name.slice(0, slash), owners)
    if (found.length > 0) return found
  }
  return []
}

const SUBJECTS: Readonly<Record<SenderStep['kind'], string>> = {
  slow: 'Sending is slowed down',
  pause: 'Sending is paused',
  recover: 'Sending goes on as usual',
}

/** What is told by mail of a step, as a whole message. */
export function senderNotice(
  { kind, name, action, evidence, at }: Pick<SenderStep, 'kind' | 'name' | 'action' | 'evidence' | 'at'>,
  { to, host }: { readonly to: string; readonly host: string },
): string {
  const who = saySender(name)
  const [first, ...rest] = wordsOf(kind, who, action)
  return noticeMail({
    ...{ to, host, at, subject: `${SUBJECTS[kind]} for ${who}`, id: `${action.id}.${kind}.${at}` },
    paragraphs: [first!, `What was seen: ${evidence}.`, ...rest],
  })
}

function wordsOf(kind: SenderStep['kind'], who: string, { values, id, until }: Action): string[] {
  switch (kind) {
    case 'slow':
      return [
        `Too much of the mail of ${who} comes back or is complained of. It may write to ${sayRate(values)} from now on; more is deferred, and none is lost.`,
        `Write only to who has asked for it, and take addresses off that do not exist. When the figures are better it goes on as usual by itself, at the latest at ${utc(until)}.`,
      ]
    case 'pause':
      return [
        `Far too much of the mail of ${who} comes back or is complained of. No more of it is taken or sent until a person has looked at it. What is queued waits, and none is lost meanwhile, unless it grows too old.`,
        `Find out what was sent, and by whom: a login may have been stolen, or a list bought. Then whoever runs this server lets it go on:`,
        `  sluice review release ${id}`,
      ]
    case 'recover':
      return [`The mail of ${who} does better, and goes on as usual.`]
  }
}

function sayRate({ messageRate }: ActionValues): string {
  if (!messageRate) return 'fewer recipients'
  const { limit, windowMs } = messageRate
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ] as const
  const [unit, ms] = units.find(([, size]) => windowMs >= size) ?? (['second', 1000] as const)
  const times = Number((windowMs / ms).toFixed(1))
  return `${limit} recipients in ${times === 1 ? `a ${unit}`.replace('a hour', 'an hour') : `${times} ${unit}s`}`
}

function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ') + ' UTC'
}

/** The same for a program. */
export function stepForMachines({ kind, fault, name, target, action, evidence, at }: SenderStep): object {
  return {
    event: kind,
    fault,
    sender: { kind: name.kind, name: name.name },
    target,
    action: action.id,
    mode: action.mode,
    evidence,
    at: new Date(at).toISOString(),
    until: new Date(action.until).toISOString(),
  }
}
