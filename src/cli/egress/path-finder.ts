import type { LoadedPolicy } from '../../config/load'
import { lookupMx } from '../../dns/mx'
import { DnsResolver } from '../../dns/resolver'
import { labelOf } from '../../egress/label'
import type { QueueHead } from '../../egress/queue-file'
import { resolvePath } from '../../egress/rules'
import { chooseSource } from '../../egress/sources'

/** A queue may be for any number of domains; those beyond have no path. */
const MOST_ASKED = 2000

/** Finds the paths of queued messages as the server does, but for what other plugins say of where mail goes. */
export class PathFinder {
  private readonly resolver: DnsResolver
  /** By domain: its MX hosts; undefined when it takes no mail, or DNS does not say. */
  private readonly hosts = new Map<string, readonly string[] | undefined>()

  constructor(private readonly config: LoadedPolicy) {
    const { servers, timeout } = config.policy.config.dns
    this.resolver = new DnsResolver({ servers, deadlineMs: timeout })
  }

  async pathOf({ domain, sender, uuid, notes }: QueueHead): Promise<string | undefined> {
    const mx = await this.hostsOf(domain)
    if (mx === undefined) return undefined
    const { egress } = this.config.policy
    const label = labelOf(notes, egress.classes.standard)
    const source = chooseSource(egress, {
      ...label,
      mailClass: sender === '' ? 'system' : label.mailClass,
      stickyKey: uuid,
      resting: () => false,
    })
    return resolvePath(this.config.egress, { domain, mx, source: source.name }).path
  }

  close(): void {
    this.resolver.close()
  }

  private async hostsOf(domain: string): Promise<readonly string[] | undefined> {
    if (this.hosts.has(domain)) return this.hosts.get(domain)
    if (this.hosts.size >= MOST_ASKED) return undefined
    const found = await lookupMx(this.resolver, domain)
    const hosts = found.kind === 'mx' || found.kind === 'implicit' ? found.hosts.map(({ host }) => host) : undefined
    this.hosts.set(domain, hosts)
    return hosts
  }
}
