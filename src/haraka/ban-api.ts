import { type Api, type ApiCall, type ApiReply, refusal } from '../console/api'
import { type BanDesk, type BanRequest, type Problem, banForMachines } from '../gates/jail/ban-desk'
import type { Ban } from '../policy/ban'
import type { Mode } from '../policy/mode'
import type { EventStream } from '../telemetry/events'
import { modeOf } from './jail'

/** Runs something at the desk; where no store is open, one is opened for as long as it takes. */
export type AtDesk = <T>(work: (desk: BanDesk) => Promise<T>) => Promise<T>

export interface BanApiOptions {
  readonly atDesk: AtDesk
  readonly stream: EventStream
  /** Of the jail, at the moment. */
  readonly mode: () => Mode
}

const DEFAULT_ORIGIN = 'http'
const KEYS = ['target', 'seconds', 'reason', 'origin']

/**
 * `GET /api/bans`, `POST /api/bans`, `DELETE /api/bans/TARGET`, `DELETE /api/bans/TARGET?origin=WORD`: the block list for
 * other programs, such as an action of fail2ban.
 */
export function banApi(options: BanApiOptions): Api {
  // Programs ask at once, and what each of them may change depends on what the one before has changed.
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = (work: () => Promise<ApiReply>): Promise<ApiReply> => {
    const done = turn.then(work)
    turn = done.catch(() => undefined)
    return done
  }
  return async (call) => {
    const [noun, target, ...rest] = call.path.split(/\/(.*)/s)
    if (noun !== 'bans' || (rest.length > 0 && rest[0] !== '')) return refusal(404, 'there is /api/bans, and no more')
    if (call.method === 'GET' && target === undefined) {
      return { status: 200, body: (await options.atDesk((desk) => desk.list())).map(banForMachines) }
    }
    if (call.method === 'POST' && target === undefined) return inTurn(() => post(call, options))
    if (call.method === 'DELETE' && target !== undefined && target !== '') {
      return inTurn(() => remove(target, call, options))
    }
    return refusal(405, 'GET and POST /api/bans, DELETE /api/bans/TARGET')
  }
}

async function post({ body }: ApiCall, { atDesk, stream, mode }: BanApiOptions): Promise<ApiReply> {
  const request = readRequest(body)
  if ('problem' in request) return refusal(400, request.problem)
  const holds = (ban: Ban) => modeOf(ban, mode()).kind === 'enforce'
  const done = await atDesk((desk) => desk.banFor(request, holds))
  if ('problem' in done) return refusal(400, done.problem)
  const { ban, changed } = done
  // He is shut out already, on another's word or for longer.
  if (!changed) return { status: 200, body: banForMachines(ban) }
  stream.emit({ kind: 'ban', at: ban.since, ban, before: 0, mode: modeOf(ban, mode()) })
  return { status: 201, body: banForMachines(ban) }
}

async function remove(target: string, { query }: ApiCall, { atDesk, stream }: BanApiOptions): Promise<ApiReply> {
  const strange = [...query.keys()].find((name) => name !== 'origin')
  if (strange !== undefined) return refusal(400, `unknown parameter "${strange}": there is origin`)
  const origin = query.get('origin') ?? undefined
  const done = await atDesk((desk) => desk.unban(target, origin))
  if ('problem' in done) return refusal(400, done.problem)
  if (done.found) {
    stream.emit({ kind: 'unban', at: Date.now(), target: done.target, origin: origin ?? DEFAULT_ORIGIN })
    return { status: 200, body: { target: done.target } }
  }
  const { stays } = done
  return refusal(404, `${done.target} is ${stays ? `banned by ${stays.origin}, which stays` : 'not banned'}`)
}

function readRequest(body: Readonly<Record<string, unknown>>): BanRequest | Problem {
  const strange = Object.keys(body).find((key) => !KEYS.includes(key))
  if (strange !== undefined) return { problem: `unknown key "${strange}": there are ${KEYS.join(', ')}` }
  const { target, seconds, reason = '', origin = DEFAULT_ORIGIN } = body
  if (typeof target !== 'string')
    return { problem: 'target must be a text: an address, a network, account:… or domain:…' }
  if (typeof seconds !== 'number') return { problem: 'seconds must be a number: how long the ban lasts' }
  if (typeof reason !== 'string' || typeof origin !== 'string') return { problem: 'reason and origin must be texts' }
  return { target, forMs: seconds * 1000, reason, origin }
}
