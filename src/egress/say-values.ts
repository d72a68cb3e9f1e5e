import { sayDuration } from '../policy/say'
import type { ActionValues } from './steering-action'

/** What is ordered, in a few words: `50% of rate and connections`. */
export function sayValues(values: ActionValues): string {
  const { rateFactor, connectionsFactor, connections, sessionMessages, messageRate, suspended } = values
  const said: string[] = []
  if (suspended) said.push('no mail')
  if (rateFactor !== undefined && rateFactor === connectionsFactor) {
    said.push(`${percent(rateFactor)} of rate and connections`)
  } else {
    if (rateFactor !== undefined) said.push(`${percent(rateFactor)} of the rate`)
    if (connectionsFactor !== undefined) said.push(`${percent(connectionsFactor)} of the connections`)
  }
  if (messageRate !== undefined) said.push(`${messageRate.limit} in ${sayDuration(messageRate.windowMs)}`)
  if (connections !== undefined) said.push(`${connections} ${connections === 1 ? 'connection' : 'connections'}`)
  if (sessionMessages !== undefined) said.push(`${sessionMessages} messages a session`)
  return said.join(', ')
}

function percent(factor: number): string {
  return `${Number((factor * 100).toFixed(2))}%`
}
