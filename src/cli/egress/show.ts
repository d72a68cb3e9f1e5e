import type { Action } from '../../egress/steering-action'

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
