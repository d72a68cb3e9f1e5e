import { type DnsServer, NXDOMAIN, type Reply, SERVFAIL, recordOf } from './dns-server'

/** How a list behaves. `lying` lists everything, `gone` nothing, not even its test entries. */
export type ListMood =
  'well' | 'slow' | 'lying' | 'gone' | 'dead' | 'servfail' | 'garbage' | { readonly refusing: string }

const IPV6_TEST = '2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0'
const SOA = { mname: 'ns.test', rname: 'admin.test', serial: 1, refresh: 60, retry: 60, expire: 60 }

/** A DNS list on a {@link DnsServer}, RFC 5782: names in front of the zone, and the codes they are listed with. */
export class DnsList {
  mood: ListMood = 'well'
  slowMs = 5000
  /** Seconds that an entry stays absent. */
  minimum = 120
  readonly entries = new Map<string, readonly string[]>([
    ['2.0.0.127', ['127.0.0.2']],
    [IPV6_TEST, ['127.0.0.2']],
    ['test', ['127.0.0.2']],
  ])

  constructor(
    private readonly server: DnsServer,
    readonly zone: string,
  ) {
    server.serve(zone, ({ name, front, type }) => this.answer(name, front, type))
  }

  add(front: string, ...codes: string[]): this {
    this.entries.set(front, codes)
    return this
  }

  /** How often the list was asked for what is not one of its own test entries. */
  get asked(): number {
    return this.server.questions.filter((question) => {
      return question.startsWith('A ') && question.endsWith(`.${this.zone}`) && !TESTS.test(question)
    }).length
  }

  private answer(name: string, front: string, type: string): Reply {
    if (this.mood === 'dead') return { silent: true }
    if (this.mood === 'servfail') return SERVFAIL
    if (this.mood === 'garbage') return { garbage: true }
    const reply = type === 'SOA' && front === '' ? this.soa(name) : this.list(name, front, type)
    return this.mood === 'slow' ? { ...reply, delayMs: this.slowMs } : reply
  }

  private list(name: string, front: string, type: string): Reply {
    const codes = this.codesOf(front)
    if (!codes) return NXDOMAIN
    return { answers: type === 'A' ? codes.map((code) => recordOf('A', name, code)) : [] }
  }

  private codesOf(front: string): readonly string[] | undefined {
    if (typeof this.mood === 'object') return [this.mood.refusing]
    if (this.mood === 'lying') return ['127.0.0.2']
    return this.mood === 'gone' ? undefined : this.entries.get(front)
  }

  private soa(name: string): Reply {
    return { answers: [{ type: 'SOA', name, ttl: 300, data: { ...SOA, minimum: this.minimum } }] }
  }
}

const TESTS = new RegExp(`^A (?:[12]\\.0\\.0\\.127|[12]${IPV6_TEST.slice(1).replaceAll('.', '\\.')}|test|invalid)\\.`)
