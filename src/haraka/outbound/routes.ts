import { type MailHost, lookupMx } from '../../dns/mx'
import type { DnsResolver } from '../../dns/resolver'
import { CONT, DENY, DENYSOFT, OK } from '../types'
import type { Untried } from './attempt-event'
import type { QueueItem } from './queue-item'
import type { Mx } from './types'

/** Where a message goes. */
export type Route =
  /** By DNS; the most preferred first. */
  | { readonly kind: 'hosts'; readonly hosts: readonly MailHost[] }
  /** By another plugin's get_mx. */
  | { readonly kind: 'fixed'; readonly mx: readonly Mx[] }
  | Nowhere

/** There is no host to go to. */
export interface Nowhere extends Untried {
  readonly kind: 'nowhere'
}

/** `plugins.run_hooks` of Haraka. */
export type RunHooks = (hook: string, target: object, parameter: unknown) => void

/** Addresses that one attempt tries at most. */
const MOST_ADDRESSES = 32

/** Finds out where messages go, through other plugins first, as Haraka does, then through DNS. */
export class Routes {
  constructor(
    private readonly resolver: DnsResolver,
    private readonly runHooks: RunHooks,
    /** Makes what a plugin has written, text or object, a HarakaMx of its own. */
    private readonly makeMx: (written: unknown) => Mx,
  ) {}

  /** Never rejects. */
  async find(item: QueueItem, domain: string): Promise<Route> {
    const { code, mx } = await this.askPlugins(item, domain)
    if (code === OK) return { kind: 'fixed', mx: (Array.isArray(mx) ? mx : [mx]).map((one) => this.makeMx(one)) }
    if (code === DENY || code === DENYSOFT) {
      const why = typeof mx === 'string' && mx !== '' ? mx : `This server sends no mail to ${domain}.`
      return nowhere(code === DENY, code === DENY ? '5.1.2' : '4.4.4', why)
    }
    const found = await lookupMx(this.resolver, domain)
    if (found.kind === 'null') return nowhere(true, '5.1.10', `${domain} takes no mail: it has a null MX (RFC 7505).`)
    if (found.kind === 'none') return nowhere(true, '5.1.2', `${domain} takes no mail: ${found.why}.`)
    if (found.kind === 'failed') {
      return nowhere(false, '4.4.3', `DNS does not say where mail to ${domain} goes (${found.reason}).`)
    }
    return { kind: 'hosts', hosts: found.hosts }
  }

  /**
   * The addresses of hosts, as Haraka tries them: preferred hosts first, those that are alike in no certain order (RFC
   * 5321 §5.1). Empty when none has an address, or DNS does not say; never rejects.
   */
  async addressesOf(hosts: readonly MailHost[], random: () => number = Math.random): Promise<Mx[]> {
    const ordered = hosts
      .map((host) => ({ ...host, lot: random() }))
      .sort((a, b) => a.preference - b.preference || a.lot - b.lot)
    const found = await Promise.all(ordered.map(({ host }) => this.resolve(host)))
    return found.flat().slice(0, MOST_ADDRESSES)
  }

  private async resolve(host: string): Promise<Mx[]> {
    const answers = await Promise.all([this.resolver.resolve(host, 'AAAA'), this.resolver.resolve(host, 'A')])
    const addresses = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []))
    return addresses.map((exchange) => ({ exchange, from_dns: host, priority: 0 }))
  }

  /**
   * What the get_mx hooks of other plugins say of a message that waits in send_email, whose own state they must not
   * change: they are shown one that has all it has.
   */
  private askPlugins(item: QueueItem, domain: string): Promise<{ code: number; mx: unknown }> {
    return new Promise((resolve) => {
      const shown = Object.create(item) as QueueItem
      shown.hooks_to_run = []
      shown.get_mx_respond = (code, mx) => resolve({ code: code || CONT, mx })
      this.runHooks('get_mx', shown, domain)
    })
  }
}

/** None of the hosts of a domain can be got to: for now, as DNS may have failed. */
export function noAddress(domain: string): Nowhere {
  return nowhere(false, '4.4.4', `None of the mail servers of ${domain} has an address that can be got to from here.`)
}

function nowhere(isFinal: boolean, status: string, why: string): Nowhere {
  return { kind: 'nowhere', isFinal, status, why }
}

/** The names of the hosts, by which a provider is known. */
export function namesOf(route: Extract<Route, { kind: 'hosts' | 'fixed' }>, domain: string): string[] {
  const names =
    route.kind === 'hosts'
      ? route.hosts.map(({ host }) => host)
      : route.mx.map((mx) => mx.from_dns ?? mx.exchange ?? mx.path ?? domain)
  return names.length > 0 ? names : [domain]
}
