import assert from 'node:assert/strict'
import { type LoadedPolicy, formatProblem, loadPolicy } from '../../../../src/config/load'
import type { EgressPolicy } from '../../../../src/egress/sources'
import { TestDirectory } from '../fixtures'

function load(yaml: string, providers?: string): LoadedPolicy | string[] {
  const directory = new TestDirectory(yaml)
  try {
    if (providers !== undefined) directory.write('config/sluice/providers.yaml', providers)
    const loaded = loadPolicy(directory.path)
    return 'problems' in loaded ? loaded.problems.map(formatProblem) : loaded
  } finally {
    directory.remove()
  }
}

function egressOf(yaml: string): EgressPolicy {
  const loaded = load(yaml)
  assert.ok(!Array.isArray(loaded), Array.isArray(loaded) ? loaded.join('\n') : '')
  return loaded.policy.egress
}

const SETUP = `egress:
  lifetime: 12h
  bounce_lifetime: 30m
  delay_notice: false
  sources:
    a: { bind: 192.0.2.10, bind6: '2001:DB8:0:0::0010', helo: A.Mail.Example.com }
    b: { bind: 192.0.2.11 }
    news: { helo: news.example.com }
  pools:
    main: { sources: { a: 3, b: 1 } }
    bulk: { sources: [news, default] }
  pool: main
  classes: { marketing: { pool: bulk } }
  tenants:
    Acme: { class: marketing }
    Example.net: { pool: default }
  accounts:
    Shop@Example.com: { class: transactional, pool: b }
  default_class: marketing
  header: false
`

describe('egress in the configuration', () => {
  it('has defaults that change nothing of what Haraka sends from', () => {
    const egress = egressOf('')
    const source = { name: 'default', bind: undefined, bind6: undefined, helo: undefined }
    assert.deepEqual([...egress.sources.values()], [source])
    assert.deepEqual(egress.pools.standard, { name: 'default', members: [{ source, weight: 1 }] })
    assert.equal(egress.pools.ofAccount.size + egress.pools.ofTenant.size + egress.pools.ofClass.size, 0)
    const { lifetimeMs, bounceLifetimeMs, delayNoticeMs } = egress
    assert.deepEqual([lifetimeMs, bounceLifetimeMs, delayNoticeMs], [86_400_000, 14_400_000, 14_400_000])
    assert.deepEqual([egress.classes.standard, egress.classes.header], ['system', 'X-Sluice-Class'])
  })

  it('says what warms up, with what a source says for itself before what is said for all', () => {
    const { warmup } = egressOf(`egress:
  sources:
    a: { bind: 192.0.2.10, warmup: true }
    b: { bind: 192.0.2.11, warmup: { start: 50, growth: 25%, until: 900, groups: [google, other] } }
    c: { bind: 192.0.2.12, warmup: { stages: [10, 20] } }
    d: { bind: 192.0.2.13, warmup: false }
  pool: a
  warmup: { time_zone: Europe/Berlin, stages: [300, 600], until: 5000, spread: false, new_tenants: { start: 7 } }
`)
    const common = { growth: 0.3, until: 5000, cools: true }
    assert.deepEqual(
      [...warmup.sources],
      [
        ['a', { ladder: { ...common, start: 300, stages: [300, 600] }, groups: undefined }],
        [
          'b',
          {
            ladder: { start: 50, growth: 0.25, stages: undefined, until: 900, cools: true },
            groups: ['google', 'other'],
          },
        ],
        ['c', { ladder: { ...common, start: 10, stages: [10, 20] }, groups: undefined }],
      ],
    )
    assert.deepEqual([warmup.calendar.zone, warmup.spread], ['Europe/Berlin', undefined])
    const ladder = { ...common, start: 7, stages: undefined, cools: false }
    assert.deepEqual(warmup.tenants, { mode: { kind: 'shadow' }, ladder })
  })

  it('is compiled: names are looked up, addresses and hosts are in one form, keys in lower case', () => {
    const { sources, pools, classes, controller, warmup, ...times } = egressOf(SETUP)
    assert.deepEqual([controller.mode.kind, warmup.mode.kind, warmup.sources.size], ['shadow', 'enforce', 0])
    assert.deepEqual(times, { lifetimeMs: 43_200_000, bounceLifetimeMs: 1_800_000, delayNoticeMs: undefined })
    assert.deepEqual([...sources.keys()], ['default', 'a', 'b', 'news'])
    const [standard, a, b, news] = [...sources.values()]
    assert.deepEqual(a, { name: 'a', bind: '192.0.2.10', bind6: '2001:db8::10', helo: 'a.mail.example.com' })
    const main = { name: 'main', members: [a, b].map((source, at) => ({ source, weight: [3, 1][at] })) }
    assert.deepEqual(pools.standard, main)
    const bulk = { name: 'bulk', members: [news, standard].map((source) => ({ source, weight: 1 })) }
    assert.deepEqual([...pools.ofClass], [['marketing', bulk]])
    assert.deepEqual(
      [...pools.ofTenant],
      [['example.net', { name: 'default', members: [{ source: standard, weight: 1 }] }]],
    )
    assert.deepEqual([...pools.ofAccount], [['shop@example.com', { name: 'b', members: [{ source: b, weight: 1 }] }]])
    assert.deepEqual([...classes.ofTenant], [['acme', 'marketing']])
    assert.deepEqual([...classes.ofAccount], [['shop@example.com', 'transactional']])
    assert.deepEqual([classes.standard, classes.header], ['marketing', undefined])
  })

  it('may say what the source called default is', () => {
    const { sources, pools } = egressOf('egress: { sources: { default: { helo: mx.example.com } } }')
    assert.equal(sources.get('default')!.helo, 'mx.example.com')
    assert.equal(pools.standard.members[0]!.source, sources.get('default'))
  })

  it('lets a source wait for a tenant, when others are in use', () => {
    egressOf('egress: { sources: { a: { bind: 192.0.2.1 }, spare: { bind: 192.0.2.2 } }, pool: a }')
  })

  it('refuses figures in providers.yaml for a source that is not there', () => {
    const yaml = 'egress: { sources: { alpha: { bind: 192.0.2.1 } }, pool: alpha }'
    const providers = 'sources:\n  alpha: { connections: 5 }\n  default: { connections: 5 }\n  alhpa: {}\n  beta: {}\n'
    const why = 'config/sluice.yaml has no such source in egress'
    assert.deepEqual(load(yaml, providers), [
      `config/sluice/providers.yaml:4:3 sources.alhpa: ${why}: did you mean "alpha"?`,
      `config/sluice/providers.yaml:5:3 sources.beta: ${why}: name it there, or remove this`,
    ])
  })

  it('refuses more sources than anybody has', () => {
    const sources = Array.from({ length: 1001 }, (_, at) => `    s${at}: { helo: s${at}.example.com }`).join('\n')
    const problems = load(`egress:\n  pool: s1\n  sources:\n${sources}\n`)
    assert.deepEqual(problems, ['config/sluice.yaml:4:5 egress.sources: too many: at most 1000'])
  })

  it('says what is wrong with very many names before anybody loses patience', () => {
    const name = (at: number) => `n${at.toString(36)}`
    const sources = Array.from({ length: 1000 }, (_, at) => `    ${name(at)}: { helo: s${at}.example.com }`).join('\n')
    const accounts = Array.from({ length: 20_000 }, (_, at) => `    a${at}: { pool: x${at} }`).join('\n')
    const problems = load(`egress:\n  sources:\n${sources}\n  accounts:\n${accounts}\n`)
    assert.ok(Array.isArray(problems))
    assert.equal(problems.length, 101)
  })
})
