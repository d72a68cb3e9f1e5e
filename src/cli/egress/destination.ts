import { domainToASCII } from 'node:url'
import type { Policy } from '../../config/compile'
import { type MailHosts, lookupMx } from '../../dns/mx'
import { isAskable } from '../../dns/question'
import { DnsResolver } from '../../dns/resolver'
import { plainName } from '../../egress/providers'
import { parseIp } from '../../keys/address'
import { CliError } from '../terminal'

/** Of an address or a domain. Throws a {@link CliError}. */
export function readDomain(who: string): string {
  const written = plainName(who.slice(who.lastIndexOf('@') + 1))
  // Mail to a domain in Unicode goes to its A-label (RFC 5890).
  const domain = /[^\x20-\x7e]/.test(written) ? domainToASCII(written) : written
  if (who.startsWith('@') || !isAskable(domain) || parseIp(domain)) {
    throw new CliError(`${who} is neither an address nor a domain`, 2)
  }
  return domain
}

/** `mx1.example.net,mx2.example.net`. Throws a {@link CliError}. */
export function readHosts(text: string): string[] {
  const hosts = text.split(',').map((host) => plainName(host.trim()))
  const wrong = hosts.find((host) => !isAskable(host))
  if (wrong !== undefined) throw new CliError(`--mx: "${wrong}" is no name of a host`, 2)
  return hosts
}

/** Asks DNS. Rejects with a {@link CliError} when the domain takes no mail, or DNS does not say. */
export async function askHosts(domain: string, { config }: Policy): Promise<string[]> {
  const resolver = new DnsResolver({ servers: config.dns.servers, deadlineMs: config.dns.timeout })
  try {
    const found = await lookupMx(resolver, domain)
    if (found.kind === 'mx' || found.kind === 'implicit') return found.hosts.map(({ host }) => host)
    throw new CliError(sayNowhere(domain, found))
  } finally {
    resolver.close()
  }
}

function sayNowhere(domain: string, found: Exclude<MailHosts, { kind: 'mx' | 'implicit' }>): string {
  if (found.kind === 'null') return `${domain} takes no mail: it has a null MX (RFC 7505)`
  if (found.kind === 'none') return `${domain} takes no mail: ${found.why}`
  return `DNS does not say where mail to ${domain} goes (${found.reason}): try again, or give the hosts with --mx`
}
