import assert from 'node:assert/strict'
import type { Answer } from 'dns-packet'
import type { Reply } from '../support/dns-server'
import type { HarakaServer } from '../support/haraka'
import { assertAtRest, eventually, fates, reportedIn, reportsOf } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { RedisServer } from '../support/redis-server'
import type { SmtpSink } from '../support/smtp-sink'

const PROVIDERS = `default:
  message_rate: 1000/s
  connections: 5
  sessions: {idle: 1s}
  retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}
  timeouts: {connect: 1s}
`
const MESSAGES = 2
/** Of documentation, RFC 5737: nobody answers. */
const BLACK_HOLE = '192.0.2.1'

interface DnsScenario {
  /** Answers for the domain; of a name in front of it `front` tells. `asked` counts from 1, over all types. */
  readonly zone: (asked: {
    readonly type: string
    readonly front: string
    readonly name: string
    readonly times: number
  }) => Reply
  readonly end: string
  readonly reports?: RegExp
}

const NONE: Reply = { rcode: 3 }
const mx = (name: string, ...hosts: readonly (readonly [preference: number, exchange: string])[]): Answer[] =>
  hosts.map(([preference, exchange]) => ({ type: 'MX', name, ttl: 300, data: { preference, exchange } }))
const a = (name: string, ...addresses: readonly string[]): Answer[] =>
  addresses.map((data) => ({ type: 'A', name, ttl: 300, data }))
const cname = (name: string, data: string): Answer => ({ type: 'CNAME', name, ttl: 300, data })

/** `good` is where a host listens, `nowhere` where none does. */
function scenarios(good: string, nowhere: string): Record<string, DnsScenario> {
  /** Its own name answers so; `mx.` in front of it is the good host, `dead.` one where nobody listens. */
  const with_ =
    (own: DnsScenario['zone']): DnsScenario['zone'] =>
    (asked) => {
      const { front, type, name } = asked
      if (front === '') return own(asked)
      const address = front === 'mx' ? good : front === 'dead' ? nowhere : front === 'black' ? BLACK_HOLE : undefined
      return address === undefined ? NONE : { answers: type === 'A' ? a(name, address) : [] }
    }
  const forMx = (answers: (name: string) => Answer[]): DnsScenario['zone'] =>
    with_(({ type, name }) => ({ answers: type === 'MX' ? answers(name) : [] }))
  const recovering = (ill: Reply) =>
    with_(({ type, name, times }) =>
      times <= 2 ? ill : { answers: type === 'MX' ? mx(name, [10, `mx.${name}`]) : [] },
    )
  const recovered = '1/0/0'
  return {
    'fails for a while': { zone: recovering({ rcode: 2 }), end: recovered },
    'refuses for a while': { zone: recovering({ rcode: 5 }), end: recovered },
    'is silent for a while': { zone: recovering({ silent: true }), end: recovered },
    'answers garbage for a while': { zone: recovering({ garbage: true }), end: recovered },
    'fails for the name of the host for a while': {
      zone: ({ front, type, name, times }) => {
        if (front === '') return { answers: type === 'MX' ? mx(name, [10, `mx.${name}`]) : [] }
        return times <= 4 ? { rcode: 2 } : { answers: type === 'A' ? a(name, good) : [] }
      },
      end: recovered,
    },
    'knows no such domain': { zone: () => NONE, end: '0/1/0' },
    'knows neither hosts nor an address': { zone: () => ({ answers: [] }), end: '0/1/0' },
    'knows no hosts, but an address': {
      zone: ({ type, name }) => ({ answers: type === 'A' ? a(name, good) : [] }),
      end: '1/0/0',
    },
    'says that no mail is taken': {
      zone: forMx((name) => mx(name, [0, '.'])),
      end: '0/1/0',
      reports: /5\.1\.10|5\.7\.27/,
    },
    'says so beside a host': { zone: forMx((name) => mx(name, [0, '.'], [10, `mx.${name}`])), end: '1/0/0' },
    'names a host that has no address': { zone: forMx((name) => mx(name, [10, `none.${name}`])), end: '0/0/1' },
    'names such a host first': {
      zone: forMx((name) => mx(name, [10, `none.${name}`], [20, `mx.${name}`])),
      end: '1/0/0',
    },
    'names a dead host first': {
      zone: forMx((name) => mx(name, [10, `dead.${name}`], [20, `mx.${name}`])),
      end: '1/0/0',
    },
    'names the same host again and again': {
      zone: forMx((name) => mx(name, ...Array.from({ length: 20 }, () => [10, `mx.${name}`] as const))),
      end: '1/0/0',
    },
    'names addresses in place of hosts': {
      zone: forMx((name) => mx(name, [10, good], [20, `mx.${name}`])),
      end: '1/0/0',
    },
    'names hosts that are no names': { zone: forMx((name) => mx(name, [10, 'a b/..c'])), end: '0/1/0' },
    'names 40 hosts, the last alive': {
      zone: with_(({ type, name, front }) => {
        if (front !== '') return NONE
        const hosts = Array.from(
          { length: 40 },
          (_, number) => [number, number === 39 ? `mx.${name}` : `n${number}.x`] as const,
        )
        return { answers: type === 'MX' ? mx(name, ...hosts) : [] }
      }),
      end: '1/0/0',
    },
    'names 100 hosts': {
      zone: forMx((name) =>
        mx(
          name,
          ...Array.from(
            { length: 100 },
            (_, number) => [number, number === 0 ? `mx.${name}` : `n${number}.x`] as const,
          ),
        ),
      ),
      end: '1/0/0',
    },
    'says that the domain is another by CNAME': {
      zone: with_(({ type, name }) => ({
        answers: [cname(name, `other.${name}`), ...(type === 'MX' ? mx(`other.${name}`, [10, `mx.${name}`]) : [])],
      })),
      end: '1/0/0',
    },
    'says that the host is another by CNAME': {
      zone: ({ type, front, name }) => {
        if (front === '') return { answers: type === 'MX' ? mx(name, [10, `alias.${name}`]) : [] }
        return { answers: [cname(name, `real.${name}`), ...(type === 'A' ? a(`real.${name}`, good) : [])] }
      },
      end: '1/0/0',
    },
    'goes in circles by CNAME': {
      zone: ({ name }) => ({ answers: [cname(name, `x.${name}`), cname(`x.${name}`, name)] }),
      end: '0/?/?',
    },
    'sends mail where nothing is': {
      zone: with_(({ type, name }) => ({
        answers: type === 'MX' ? mx(name, [10, `black.${name}`], [20, `mx.${name}`]) : [],
      })),
      end: '1/0/0',
    },
    'sends mail to addresses that nobody has': {
      zone: ({ type, front, name }) => {
        if (front === '') return { answers: type === 'MX' ? mx(name, [10, `h.${name}`]) : [] }
        return { answers: type === 'A' ? a(name, '240.0.0.1', '255.255.255.255', '224.0.0.1') : [] }
      },
      end: '0/0/1',
    },
  }
}

describe('mail while DNS', function () {
  this.timeout(60_000)
  const all = scenarios('', '')
  const sentTo = new Map<string, string[]>()
  let world: MailWorld
  let redis: RedisServer
  let server: HarakaServer
  let near: SmtpSink
  let good: SmtpSink

  before(async () => {
    world = await MailWorld.start()
    redis = await world.redis()
    near = await world.domain('near.test')
    good = await world.domain('good.test')
    const [dead] = await world.hosts('dead.test', [{}])
    await dead!.stop()
    const real = scenarios(good.options.host!, dead!.options.host!)
    for (const [place, { zone }] of Object.values(real).entries()) {
      let times = 0
      world.dns.serve(`d${place}.test`, (asked) => zone({ ...asked, times: ++times }))
    }
    server = await world.server({ providers: PROVIDERS, sluice: `store: ${redis.url}\n` })
    const send = async (what: string, place: number) => {
      sentTo.set(what, await world.send(server, MESSAGES, { to: [`bob@d${place}.test`] }))
    }
    await Promise.all(Object.keys(all).map(send))
  })
  after(() => world.end())

  for (const [what, { end, reports }] of Object.entries(all)) {
    it(what, async () => {
      const ids = sentTo.get(what)!
      const wanted = new RegExp(`^${end.replaceAll('?', '[01]')}$`)
      await eventually(() => {
        for (const fate of fates(world, [server], ids)) {
          assert.match(fate, wanted)
          assert.match(fate, /1/)
        }
      }, 20_000)
      const told = reportsOf(near, ids)
      for (const report of told) {
        assert.equal(reportedIn(report).length, 1)
        if (reports) assert.match(report.text, reports)
      }
    })
  }

  it('and every place is free, every connection closed, and mail for others goes on', async () => {
    const before = good.messages.length
    await world.send(server, 3, { to: ['eve@good.test'] })
    await good.until('three more', () => good.messages.length === before + 3)
    await assertAtRest(world, [server], redis.url)
  })
})
