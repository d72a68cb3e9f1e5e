import { ATTEMPT_PHASES } from '../policy/attempt-phase'
import { AttemptQuota } from './attempt-quota'
import { quoted, token } from './escape'
import type { AttemptEvent } from './events'
import type { LineLog } from './line-log'
import { type AttemptResult, resultOfAttempt } from './result'

/** How many lines were left out is said once in this time at most. */
const LEFT_OUT_MS = 60_000
/** Paths of which the lines left out are counted apart. */
const MOST_COUNTED = 1000
/** A path is a store key, which the store bounds; whole, it can be copied into a command. */
const MOST_PATH = 300
const MOST_REASON = 300

/**
 * Writes attempts to deliver: `name=value` pairs as {@link logLineReader} describes them. What this server knows comes
 * first; from `path` on hosts and their owners have a say, and what a host answered is last.
 *
 * Attempts that delivered all are info, the others notices. Of a path that fails all the time some are left out, see
 * {@link AttemptQuota}, and their number is said.
 */
export function attemptLines(log: LineLog): (event: AttemptEvent) => void {
  const quota = new AttemptQuota()
  const leftOut = new LeftOut()
  return (event) => {
    const { at, path } = event
    const result = resultOfAttempt(event)
    if (result === 'delivered') {
      if (log.writesInfo()) log.info(attemptLine(event, result))
    } else if (quota.allows(path, result, at)) log.notice(attemptLine(event, result))
    else leftOut.add(path, at)
    const said = leftOut.say(at)
    if (said !== undefined) log.notice(said)
  }
}

function attemptLine(event: AttemptEvent, result: AttemptResult): string {
  const { provider, source, mailClass, tenant, id, file, host, ip, domain, path, text } = event
  return (
    `delivery=${result} provider=${token(provider)} source=${token(source)} class=${token(mailClass)}` +
    ` tenant=${token(tenant)} id=${token(id)} file=${token(file)} ${figures(event)} ${session(event)}` +
    ` path=${token(path, MOST_PATH)} domain=${token(domain)} host=${token(host)} ip=${token(ip)}` +
    ` enhanced=${token(event.enhanced)} reason=${text === '' ? '-' : quoted(text, MOST_REASON)}`
  )
}

function figures(event: AttemptEvent): string {
  const { delivered, deferred, bounced, attempts, ageMs, waitedMs, tookMs, retryAt, at } = event
  // Rounded up: it is not tried earlier.
  const retry = retryAt === undefined ? '-' : Math.max(0, Math.ceil((retryAt - at) / 1000))
  return (
    `delivered=${delivered} deferred=${deferred} bounced=${bounced} attempts=${attempts} age_s=${seconds(ageMs)}` +
    ` waited_s=${seconds(waitedMs)} took_s=${seconds(tookMs)} retry_s=${retry}`
  )
}

function session({ session, tls, verified, phase, code, failure, about, scope, rule, phasesMs }: AttemptEvent): string {
  const phases = ATTEMPT_PHASES.map((name) => `${name}_ms=${milliseconds(phasesMs[name])}`)
  return (
    `session=${session ?? '-'} tls=${token(tls)} verified=${tls === undefined ? '-' : verified ? 'yes' : 'no'}` +
    ` phase=${token(phase)} code=${code === 0 ? '-' : code} failure=${token(failure)} about=${token(about)}` +
    ` scope=${token(scope)} rule=${token(rule)} ${phases.join(' ')}`
  )
}

function seconds(ms: number): string {
  return String(Math.round(ms) / 1000)
}

function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '-' : String(Math.round(ms))
}

/** Counts what is not written, by path. */
class LeftOut {
  private readonly paths = new Map<string, number>()
  private total = 0
  private since = 0

  add(path: string, at: number): void {
    if (this.total++ === 0) this.since = at
    const known = this.paths.get(path)
    if (known !== undefined || this.paths.size < MOST_COUNTED) this.paths.set(path, (known ?? 0) + 1)
  }

  /** What to say now, if anything; then counting begins anew. */
  say(at: number): string | undefined {
    if (this.total === 0 || Math.abs(at - this.since) < LEFT_OUT_MS) return undefined
    const [path, most] = [...this.paths].reduce((worst, each) => (each[1] > worst[1] ? each : worst))
    const said = `left out ${this.total} attempts that did not deliver, ${most} of them for ${token(path, MOST_PATH)}: sluice why tells each`
    this.total = 0
    this.paths.clear()
    return said
  }
}
