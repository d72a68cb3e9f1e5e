import {
  SENDER_KINDS,
  type SenderKind,
  type SenderName,
  readSenderTarget,
  senderTarget,
} from '../../egress/sender-target'
import type { Action } from '../../egress/steering-action'
import { parseIp } from '../../keys/address'
import { CliError } from '../terminal'

export const SENDER_HELP = 'an account, account:NAME, tenant:NAME, campaign:TENANT/NAME or client:ADDRESS'

/** Who is meant, if that is clear from what was typed alone. Throws a {@link CliError}. */
export function readSender(text: string): SenderName {
  const written = readSenderTarget(text) ?? withKind(text)
  if (written) return written
  if (parseIp(text)) return { kind: 'client', name: text }
  if (text.includes('@')) return { kind: 'account', name: text }
  throw new CliError(`"${text}" may be an account or a tenant: write ${SENDER_HELP}`, 2)
}

function withKind(text: string): SenderName | undefined {
  const colon = text.indexOf(':')
  const kind = SENDER_KINDS.find((one) => one === text.slice(0, colon))
  const name = text.slice(colon + 1)
  return kind && name !== '' ? { kind, name } : undefined
}

/** Targets that are meant among those for which something is ordered: by the id of an order, or by who it is for. */
export function targetsMeant(text: string, actions: readonly Action[]): string[] {
  const byId = actions.find(({ id }) => id === text.toUpperCase())
  if (byId) return [byId.path]
  const written = readSenderTarget(text) ?? withKind(text)
  const wanted = (written ? [written.kind] : SENDER_KINDS).map((kind: SenderKind) =>
    senderTarget({ kind, name: written?.name ?? text }),
  )
  return [...new Set(actions.map(({ path }) => path))].filter((path) => wanted.includes(path))
}
