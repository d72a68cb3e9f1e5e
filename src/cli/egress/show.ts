import type { Action, ActionValues } from '../../egress/steering-action'
import { humanTime } from '../terminal'

/** What is ordered, in a few words: `50% of rate and connections`. */
export function sayValues({
  rateFactor,
  connectionsFactor,
  connections,
  sessionMessages,
  messageRate,
  suspended,
}: ActionValues): string {
  const said: string[] = []
  if (suspended) said.push('no mail')
  if (rateFactor !== undefined && rateFactor === connectionsFactor) {
    said.push(`${percent(rateFactor)} of rate and connections`)
  } else {
    if (rateFactor !== undefined) said.push(`${percent(rateFactor)} of the rate`)
    if (connectionsFactor !== undefined) said.push(`${percent(connectionsFactor)} of the connections`)
  }
  if (messageRate !== undefined) said.push(`${messageRate.limit} in ${humanTime(messageRate.windowMs)}`)
  if (connections !== undefined) said.push(`${connections} ${connections === 1 ? 'connection' : 'connections'}`)
  if (sessionMessages !== undefined) said.push(`${sessionMessages} messages a session`)
  return said.join(', ')
}

export function actionForMachines({ id, path, kind, origin, mode, values, evidence, since, until }: Action): object {
  const { messageRate, rateFactor, connectionsFactor, connections, sessionMessages, suspended } = values
  return {
    id,
    path,
    kind,
    origin,
    mode,
    values: { suspended, rateFactor, connectionsFactor, connections, sessionMessages, messageRate },
    evidence,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
  }
}

export function utc(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'
}

function percent(factor: number): string {
  return `${Number((factor * 100).toFixed(2))}%`
}
