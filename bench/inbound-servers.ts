/** The servers of the inbound bench: what each of them is told. */
import { DnsList } from '../test/support/dns-list'
import { DnsServer, NXDOMAIN, recordOf } from '../test/support/dns-server'
import type { HarakaOptions } from '../test/support/haraka'
import type { RedisServer } from '../test/support/redis-server'
import { LIMIT_INI, roomyPolicy } from './throughput'

export const ZONES = ['bad.test', 'worse.test']
/** How long a stranger waits until he may come back, and then is known. */
export const GREY_MS = 1000

/** Clients of the benchmarking network (RFC 2544), which no software takes for a private one: eight networks of 25. */
export function clients(count = 200): string[] {
  return Array.from({ length: count }, (_, index) => `198.18.${(index / 25) | 0}.${(index % 25) + 1}`)
}

/** Two lists that name none of the clients, and a confirmed reverse name for each. */
export async function startDns(): Promise<DnsServer> {
  const dns = await DnsServer.start()
  for (const zone of ZONES) new DnsList(dns, zone)
  dns.serve('18.198.in-addr.arpa', ({ name, front, type }) => {
    const [host, network] = front.split('.').map(Number)
    if (type !== 'PTR' || network === undefined) return NXDOMAIN
    return { answers: [recordOf('PTR', name, `${letters(network)}.${letters(host!)}.bench.example`)] }
  })
  dns.serve('bench.example', ({ name, front, type }) => {
    const [network, host] = front.split('.').map((word) => (word === '' ? NaN : ofLetters(word)))
    if (host === undefined) return NXDOMAIN
    return { answers: type === 'A' ? [recordOf('A', name, `198.18.${network}.${host}`)] : [] }
  })
  return dns
}

/** A figure without figures: names that say an address look like those of dial-up pools. */
function letters(figure: number): string {
  return `m${[...String(figure)].map((digit) => 'abcdefghij'[Number(digit)]).join('')}`
}

function ofLetters(word: string): number {
  return Number([...word.slice(1)].map((letter) => 'abcdefghij'.indexOf(letter)).join(''))
}

/** What is listed of the suite: everything inbound. */
export const INBOUND = [
  'overload',
  'jail',
  'connections',
  'hardening',
  'dnsbl',
  'rdns',
  'reputation',
  'messages',
  'score',
].map((name) => `sluice/plugins/${name}`)
const INBOUND_LAST = ['sluice/plugins/greylist', 'sluice/plugins/mailbomb']
/** Reverse lookups of Haraka itself are answered at once in all variants. */
const REST = ['no_rdns', 'rcpt_to.in_host_list', 'queue/discard']

/** Every inbound plugin in force, with room for everybody. */
export function inboundPolicy(store: string, dns: DnsServer): string {
  const zones = ZONES.map((zone) => `{zone: ${zone}, weight: 8}`).join(', ')
  return [
    roomyPolicy(store),
    '  new_sender: {limit: 5000000/h}',
    `dns: {servers: ['${dns.address}']}`,
    `dnsbl: {mode: enforce, zones: [${zones}]}`,
    'rdns: {mode: enforce}',
    'jail: {mode: enforce}',
    'score: {mode: enforce}',
    'reputation: {mode: enforce}',
    `greylist: {mode: enforce, delay: ${GREY_MS / 1000}s}`,
    'mailbomb: {mode: enforce, strangers: 500}',
    '',
  ].join('\n')
}

export function inboundServers(redis: RedisServer, dns: DnsServer): Record<string, HarakaOptions> {
  const plugins = [...INBOUND, ...REST.slice(0, 2), ...INBOUND_LAST, ...REST.slice(2)]
  return {
    bare: { sluice: '', plugins: REST },
    'Sluice, LMDB': { sluice: inboundPolicy('lmdb:data/sluice', dns), plugins },
    'Sluice, Redis': { sluice: inboundPolicy(redis.url, dns), plugins },
    'stock set, Redis': stockSet(redis, dns, 10, ['redis', 'karma']),
    'stock set but karma': stockSet(redis, dns, 11, []),
  }
}

/**
 * haraka-plugin-limit, greylist, dns-list and karma. As karma ships it hears the results of all plugins through Redis, each
 * session over a connection of its own; no setting leaves that out, so the set is measured without karma too.
 */
function stockSet({ port }: RedisServer, dns: DnsServer, db: number, karma: readonly string[]): HarakaOptions {
  const server = `host=127.0.0.1\nport=${port}\n`
  return {
    sluice: '',
    plugins: ['local_dns', ...karma, 'limit', 'dns-list', ...REST.slice(0, 2), 'greylist', ...REST.slice(2)],
    files: {
      'redis.ini': `[server]\n${server}[pubsub]\n${server}`,
      // Sliding by the second, so that the history that it reads at each connection stays as short as a small limit's.
      'limit.ini': LIMIT_INI(port)
        .replace('[redis]\n', `[redis]\ndatabase=${db}\n`)
        .replace(/(\[rate_conn\]\nenabled=true\ndefault=1000000)\/1m/, '$1/10s'),
      'greylist.ini': `[redis]\n${server}db=${db}\n[period]\nblack=${GREY_MS / 1000}\n`,
      'dns-list.ini': `[main]\nperiodic_checks=30\nzones[]=\n${ZONES.map((zone) => `zones[]=${zone}\n`).join('')}search=all\n`,
      // As its documentation wants it: else karma takes the refusals of the others for its own, greylisting included.
      'karma.ini': `[redis]\n${server}db=1\n[deny_excludes]\nplugins=limit, greylist, dns-list\n`,
      '../plugins/local_dns.js': LOCAL_DNS(dns.address),
    },
  }
}

/** haraka-plugin-dns-list asks the resolver of the system, whatever the configuration says. */
const LOCAL_DNS = (address: string) => `const { promises } = require('node:dns')
const System = promises.Resolver
promises.Resolver = class extends System {
  constructor(options) {
    super(options)
    this.setServers(['${address}'])
  }
}
`
