import { type Reply, isPositive } from './reply-reader'
import { verbOf } from './timeouts'

/** What a server said at the beginning of a session, to be said again to later deliveries. */
export class Opening {
  greeting: Reply | undefined
  isLoggedIn = false
  /** The longest message that the server takes, in bytes; undefined when it does not say, or has no limit. */
  private sizeLimitBytes: number | undefined
  /** Answers to EHLO in the clear and in TLS, by what was asked. */
  private readonly hellos = new Map<string, Reply>()

  heard(command: string, reply: Reply, isEncrypted: boolean): void {
    this.hellos.set(keyOf(command, isEncrypted), reply)
    const size = reply.lines.map((line) => /^250[ -]SIZE +(\d{1,15})\b/i.exec(line)?.[1]).find((found) => found)
    this.sizeLimitBytes = Number(size ?? 0) || undefined
  }

  /** What the server has answered to this, or would answer. `seemsEncrypted`: the delivery has asked for TLS already. */
  recall(command: string, seemsEncrypted: boolean, isEncrypted: boolean): Reply | undefined {
    const verb = verbOf(command)
    if (verb === 'STARTTLS' && isEncrypted) return { code: 220, lines: ['220 2.0.0 encrypted already'] }
    if (verb === 'AUTH' && this.isLoggedIn) return { code: 235, lines: ['235 2.7.0 logged in already'] }
    return this.hellos.get(keyOf(command, seemsEncrypted))
  }

  /**
   * What the server would say to a message of this size (RFC 1870 §6.1), when that is no. The size counts dots that the
   * server will not: in doubt it is asked.
   */
  refusalOf(sizeBytes: number | undefined): Reply | undefined {
    const limit = this.sizeLimitBytes
    if (limit === undefined || sizeBytes === undefined || sizeBytes <= limit * 1.01) return undefined
    return { code: 552, lines: [`552 5.3.4 Not sent: ${sizeBytes} bytes, and the host takes ${limit}`] }
  }
}

function keyOf(command: string, isEncrypted: boolean): string {
  return `${isEncrypted ? 'in TLS' : 'in the clear'} ${command}`
}

const STARTTLS = /^250[ -]STARTTLS\b/i

export function offersTls(hello: Reply): boolean {
  return isPositive(hello) && hello.lines.some((line) => STARTTLS.test(line))
}

/** The answer to EHLO of a server that has no TLS. */
export function withoutTls(hello: Reply): Reply {
  const lines = hello.lines.filter((line) => !STARTTLS.test(line))
  const last = lines.length - 1
  return {
    code: hello.code,
    lines: lines.map((line, place) => (place === last ? line.replace(/^250-/, '250 ') : line)),
  }
}
