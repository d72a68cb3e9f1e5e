import type { Decision, Outcome } from '../policy/decision'
import type { Score } from '../policy/signal'
import type { Connection } from './types'

/** Lets other Haraka plugins (karma among them) see what we found. */
export function noteResults(connection: Connection, { decisions, score }: Outcome): void {
  for (const decision of decisions) noteDecision(connection, decision)
  if (score) noteScore(connection, score)
}

/** The sum and its parts: `connection.results.get('sluice').score`. */
function noteScore(connection: Connection, { total, parts }: Score): void {
  const said = parts.map(({ source, name, weight }) => `${source}:${name}:${weight}`)
  connection.results.add({ name: 'sluice' }, { score: total, parts: said })
}

function noteDecision(connection: Connection, { action, rule }: Decision): void {
  if (action === 'accept') connection.results.add({ name: 'sluice' }, { msg: `shadow ${rule.name}` })
  else if (action === 'drop') connection.results.add({ name: 'sluice' }, { msg: `drop ${rule.name}` })
  else connection.results.add({ name: 'sluice' }, { fail: rule.name })
}
