import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { compilePolicy } from '../../../src/config/compile'
import { DEFAULTS } from '../../../src/config/defaults'
import { type LoadedPolicy, type RefusedPolicy, formatProblem, loadPolicy } from '../../../src/config/load'
import { configSchema } from '../../../src/config/schema'
import type { LimitRule } from '../../../src/gates/limits/rule'
import { parseIp } from '../../../src/keys/address'
import { foldRecipient } from '../../../src/keys/mailbox'
import type { Finding } from '../../../src/policy/decision'
import type { GateAsk } from '../../../src/policy/gate'
import { subject } from '../telemetry/fixtures'
import { TestDirectory } from './fixtures'

describe('loadPolicy', () => {
  const directories: TestDirectory[] = []
  afterEach(() => directories.splice(0).forEach((directory) => directory.remove()))

  function directoryWith(yaml?: string, maps: Record<string, string> = {}): TestDirectory {
    const directory = new TestDirectory(yaml)
    directories.push(directory)
    for (const [name, text] of Object.entries(maps)) directory.write(`config/sluice/${name}`, text)
    return directory
  }

  function load(yaml?: string, maps?: Record<string, string>): LoadedPolicy {
    const loaded = loadPolicy(directoryWith(yaml, maps).path)
    if ('policy' in loaded) return loaded
    throw new Error(loaded.problems.map(formatProblem).join('\n'))
  }

  function refused(directory: TestDirectory): RefusedPolicy {
    const loaded = loadPolicy(directory.path)
    assert.ok('problems' in loaded, 'it was taken')
    return loaded
  }

  function rule({ policy }: LoadedPolicy, name: string): LimitRule {
    const found = policy.rules.find((candidate) => candidate.name === name)
    assert.ok(found, `no rule ${name}`)
    return found
  }

  const windows = (...pairs: [number, number][]) => ({
    kind: 'windows',
    windows: pairs.map(([limit, windowMs]) => ({ limit, windowMs })),
  })

  it('takes the defaults where there is no file', () => {
    const { policy, effective, files } = load()
    const compiled = compilePolicy(configSchema.parse(DEFAULTS), () => undefined)
    assert.ok('policy' in compiled)
    assert.deepEqual(policy.config, compiled.policy.config)
    assert.deepEqual(effective, DEFAULTS)
    const beside = ['large-senders.map', 'providers.yaml', 'responses.yaml']
    assert.deepEqual(files, ['config/sluice.yaml', ...beside.map((name) => `config/sluice/${name}`)])
    assert.ok(policy.rules.every(({ mode }) => mode.kind === 'shadow'))
  })

  it('takes the shipped map where the operator has none, and his own where he has one', () => {
    const shipped = load()
    assert.ok(rule(shipped, 'sender_domain').overrides.domains.has('gmail.com'))
    assert.ok(shipped.maps.get('sender_domain')!.entries.length > 100)
    const own = load(undefined, { 'large-senders.map': 'example.com 9/min\n' })
    assert.deepEqual([...rule(own, 'sender_domain').overrides.domains.keys()], ['example.com'])
    assert.equal(own.maps.get('sender_domain')!.name, 'config/sluice/large-senders.map')
  })

  it('merges sections key by key and replaces everything else', () => {
    const { policy } = load('session: {errors: 5}\ntrusted: [192.0.2.0/24]\n')
    assert.deepEqual(policy.session, {
      recipients: 100,
      errors: 5,
      junk: 100,
      lengthMs: 3_600_000,
      mode: { kind: 'shadow' },
    })
    assert.equal(policy.trusted.find(parseIp('127.0.0.1')!), undefined)
    assert.equal(policy.trusted.find(parseIp('192.0.2.1')!), true)
  })

  it('holds nobody for longer than the tarpit holds anybody: a longer hold would be none', () => {
    const { policy } = load('score: {mode: enforce, delay: 1, hold: 20s}\ntarpit: {longest: 7s}\n')
    const score = policy.plan(['score']).get('rcpt')![0]!
    const findings: Finding[] = []
    const signals = [{ source: 'dnsbl', name: 'x', weight: 2 }]
    score.inspect!(subject({ stage: 'rcpt', signals }), findings, { score: undefined })
    assert.equal(findings[0]!.retryAfterMs, 7000)
  })

  it('remembers whom somebody has written to for the longer of what greylisting and mail bombs want', () => {
    const keptMs = (yaml: string, plugins: string[]) => {
      const asks: GateAsk[] = []
      const writes = subject({ stage: 'rcpt_ok', direction: 'submission', recipient: foldRecipient('you', 'b.test') })
      for (const gate of load(yaml).policy.plan(plugins).get('rcpt_ok')!) gate.ask(writes, asks, [])
      return asks.map(({ ask }) => ask.op === 'merit' && ask.keepMs / 86_400_000)
    }
    for (const plugins of [['greylist', 'mailbomb'], ['mailbomb', 'greylist'], ['greylist'], ['mailbomb']]) {
      assert.deepEqual(keptMs('{}', plugins), [90], plugins.join())
      assert.deepEqual(keptMs('mailbomb: {memory: 10d}\n', plugins), [35], plugins.join())
    }
  })

  it('merges the maps in a section key by key, whoever leaves some out', () => {
    const { policy } = load('score: {weights: {early: 9}}\njail:\n  offences: {probe: 0}\nrdns: {weights: }\n')
    assert.deepEqual(policy.config.score.weights, { ...DEFAULTS.score.weights, early: 9 })
    assert.deepEqual(policy.jail.points, { ...DEFAULTS.jail.offences, probe: 0 })
    assert.deepEqual(policy.config.rdns.weights, DEFAULTS.rdns.weights)
  })

  it('merges a rule over the shipped one of its name key by key', () => {
    const loaded = load('limits:\n  client: {limit: 7/min}\n  parallel_sessions: {limit: {concurrency: 3}}\n')
    const client = rule(loaded, 'client')
    assert.deepEqual(client.limit, windows([7, 60_000]))
    assert.equal(client.exemptAuthenticated, true)
    assert.equal(client.text, DEFAULTS.limits.client.text)
    assert.deepEqual(rule(loaded, 'parallel_sessions').limit, { kind: 'concurrency', most: 3 })
  })

  it('replaces the limit of a rule whole, whatever its form', () => {
    const loaded = load('limits:\n  sender: {limit: {rate: 10/s, burst: 50}}\n')
    assert.deepEqual(rule(loaded, 'sender').limit, { kind: 'rate', intervalMs: 100, burst: 50 })
  })

  it('removes a rule with false, and adds one after those that ship', () => {
    const { policy } = load('limits:\n  sender: false\n  mine: {count: bytes, per: tenant, limit: 1MB/h}\n')
    const names = policy.rules.map(({ name }) => name)
    assert.ok(!names.includes('sender'))
    assert.equal(names.at(-1), 'mine')
  })

  it('takes the mode at the top for whatever has none of its own', () => {
    const loaded = load('mode: enforce\nlimits:\n  sender: {mode: off}\n  recipient: {mode: {canary: 2.5%}}\n')
    assert.deepEqual(rule(loaded, 'sender').mode, { kind: 'off' })
    assert.deepEqual(rule(loaded, 'recipient').mode, { kind: 'canary', percent: 2.5 })
    assert.deepEqual(rule(loaded, 'client').mode, { kind: 'enforce' })
    assert.deepEqual(loaded.policy.session.mode, { kind: 'enforce' })
  })

  it('lets inline overrides win over the map', () => {
    const limits =
      'limits:\n  sender:\n    overrides_file: sluice/a.map\n    overrides: {Example.COM: exempt, 10.0.0.0/8: 9/min}\n'
    const { overrides } = rule(load(limits, { 'a.map': 'example.com 5/min\nexample.net 6/min\n' }), 'sender')
    assert.equal(overrides.domains.get('example.com'), 'exempt')
    assert.deepEqual(overrides.domains.get('example.net'), windows([6, 60_000]))
    assert.deepEqual(overrides.networks.find(parseIp('10.1.2.3')!), windows([9, 60_000]))
  })

  it('compares accounts of tenants without case', () => {
    const { policy } = load('tenants: {Ann@Example.net: beta}\n')
    assert.equal(policy.tenants.get('ann@example.net'), 'beta')
  })

  it('knows where each value comes from', () => {
    const { origins } = load('# first line\nlimits:\n  sender:\n    limit: 9/min\n')
    assert.deepEqual(origins.of(['limits', 'sender', 'limit']), { file: 'config/sluice.yaml', line: 4, column: 5 })
    assert.equal(origins.of(['limits', 'sender', 'per']), 'default')
    assert.equal(origins.of(['mode']), 'default')
  })

  it('reads files with a byte order mark and Windows line ends', () => {
    const { policy } = load('\ufeffmode: enforce\r\nlimits:\r\n  sender:\r\n    limit: 9/min\r\n')
    assert.deepEqual(policy.config.mode, { kind: 'enforce' })
  })

  it('reads another file when told to', () => {
    const directory = directoryWith('mode: enforce\n')
    directory.write('candidate.yaml', 'mode: {canary: 1%}\n')
    const loaded = loadPolicy(directory.path, { file: 'candidate.yaml' })
    assert.ok('policy' in loaded)
    assert.deepEqual(loaded.policy.config.mode, { kind: 'canary', percent: 1 })
    assert.equal(loaded.files[0], 'candidate.yaml')
  })

  it('has a fingerprint of the content of all its files', () => {
    const yaml = 'limits: {sender: {overrides_file: sluice/a.map}}\n'
    const of = (text: string, map: string) => load(text, { 'a.map': map }).fingerprint
    assert.equal(of(yaml, 'example.com 5/min\n'), of(yaml, 'example.com 5/min\n'))
    assert.notEqual(of(yaml, 'example.com 5/min\n'), of(yaml, 'example.com 6/min\n'))
    assert.notEqual(of(yaml, 'example.com 5/min\n'), of(`${yaml}mode: off\n`, 'example.com 5/min\n'))
  })

  it('refuses files beyond the bounds', () => {
    const [big] = refused(directoryWith('#'.repeat(1024 ** 2 + 1))).problems
    assert.match(formatProblem(big!), /^config\/sluice\.yaml:1:1 is 1048577 bytes long, at most 1048576 are read$/)
    const yaml = 'limits: {sender: {overrides_file: sluice/a.map}}\n'
    const lines = Array.from({ length: 200_001 }, (_, index) => `d${index}.example 5/min`).join('\n')
    const [many] = refused(directoryWith(yaml, { 'a.map': lines })).problems
    assert.equal(formatProblem(many!), 'config/sluice/a.map:200001:1 more than 200000 entries: split the map')
    const wide = `# ${'x'.repeat(16 * 1024 ** 2)}`
    const [long] = refused(directoryWith(yaml, { 'a.map': wide })).problems
    assert.match(formatProblem(long!), /limits\.sender\.overrides_file: config\/sluice\/a\.map is 16777218 bytes long/)
  })

  it('refuses a file that is nested too deeply or repeats itself without end', () => {
    const deep = refused(directoryWith('['.repeat(50_000))).problems
    assert.deepEqual(
      deep.map(({ message }) => message),
      ['nested too deeply'],
    )
    const ten = (name: string) => `[${Array.from({ length: 10 }, () => `*${name}`).join(', ')}]`
    const bomb = `a: &a [x, x]\nb: &b ${ten('a')}\nc: &c ${ten('b')}\nd: &d ${ten('c')}\ne: ${ten('d')}\n`
    assert.match(refused(directoryWith(bomb)).problems[0]!.message, /more than 100 aliases/)
  })

  const many = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i)).join('')
  const wrongFiles: Record<string, [yaml: string, first: RegExp, more: string | undefined]> = {
    aliases: [
      `mode: &a shadow\ntrusted: [${many(20_000, () => '*a, ')}]\n`,
      /^config\/sluice.yaml:2:411 more than 100 aliases/,
      undefined,
    ],
    'a map': [many(30_000, (index) => `d${index}.example: 5/min\n`), /:1:1 "d0\.example": unknown key/, '29900'],
    overrides: [
      `limits:\n  sender:\n    overrides:\n${many(29_000, (index) => `      d${index}.example: 5/mn\n`)}`,
      /:4:\d+ limits\.sender\.overrides\."d0\.example": "5\/mn" is no limit/,
      '28900',
    ],
    'the same key': [many(130_000, () => 'a:\n'), /:2:1 "a" stands here twice/, '129899'],
  }
  for (const [what, [yaml, opening, more]] of Object.entries(wrongFiles)) {
    it(`says only the first mistakes of a file that is all wrong (${what}), and soon`, function () {
      // Walking the file for each took from ten seconds to minutes, while a running server answered nobody.
      this.timeout(10_000)
      const shown = refused(directoryWith(yaml)).problems.map(formatProblem)
      assert.match(shown[0]!, opening)
      assert.equal(shown.length, more === undefined ? 1 : 101)
      if (more !== undefined) assert.ok(shown.at(-1)!.endsWith(` and ${more} more: mend these first`), shown.at(-1))
    })
  }

  it('says only the first of a long map whose entries do not fit', () => {
    const yaml = 'limits: {sender: {overrides_file: sluice/a.map}}\n'
    const map = many(150_000, (index) => `d${index}.example concurrency=5\n`)
    const shown = refused(directoryWith(yaml, { 'a.map': map })).problems.map(formatProblem)
    assert.match(shown[0]!, /^config\/sluice\/a\.map:1:1 d0\.example: concurrency is for count: sessions/)
    assert.match(shown[100]!, / and 149900 more: mend these first$/)
  })

  it('refuses a file that is not UTF-8, no file, or not to be read', function () {
    const directory = directoryWith()
    directory.write('config/sluice.yaml', Buffer.from([0x6d, 0xff, 0xfe]))
    assert.match(refused(directory).problems[0]!.message, /not written in UTF-8/)
    const folder = directoryWith()
    mkdirSync(path.join(folder.path, 'config', 'sluice.yaml'))
    assert.equal(refused(folder).problems[0]!.message, 'is no file')
    // Root may read everything.
    if (process.getuid?.() === 0) return
    const locked = directoryWith('mode: shadow\n')
    chmodSync(path.join(locked.path, 'config/sluice.yaml'), 0)
    assert.match(refused(locked).problems[0]!.message, /may not be read/)
  })

  it('names the files it looked for when it refuses, so that mending any of them is noticed', () => {
    const { files } = refused(directoryWith('limits: {sender: {overrides_file: sluice/none.map}}\n'))
    assert.ok(files.includes('config/sluice/none.map'))
  })

  it('says what is wrong in single lines, whatever has become of the file', () => {
    const shipped = readFileSync(path.join(__dirname, '../../../config/sluice.yaml'), 'utf8')
    const text = shipped.replace(/^\s*#.*\n/gm, '')
    const scraps = [
      '\t',
      '\n',
      ':',
      '- ',
      '[',
      '}',
      '"',
      '*',
      '!',
      '|',
      '#',
      '\0',
      '\x1b',
      '5',
      'null',
      '~',
      'x: ',
      '%',
      'é',
      '<<: ',
    ]
    const edits = fc.array(fc.tuple(fc.nat(text.length), fc.nat(9), fc.constantFrom('', ...scraps)), { maxLength: 4 })
    const directory = directoryWith()
    fc.assert(
      fc.property(edits, (made) => {
        const edited = made.reduce((was, [at, cut, scrap]) => was.slice(0, at) + scrap + was.slice(at + cut), text)
        directory.write('config/sluice.yaml', edited)
        const loaded = loadPolicy(directory.path)
        if ('policy' in loaded) return
        assert.notEqual(loaded.problems.length, 0)
        const lines = edited.split(/\r?\n/).length
        for (const problem of loaded.problems) {
          assert.match(formatProblem(problem), /^config\/sluice[^ ]*:\d+:\d+ \P{Cc}+$/u)
          assert.ok(problem.line >= 1 && problem.line <= lines + 1 && problem.column >= 1)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('makes a problem of whatever goes wrong while it reads', () => {
    const directory = directoryWith('mode: {canary: 5}\n')
    try {
      Object.defineProperty(Object.prototype, 'toJSON', { configurable: true, value: fail })
      const { problems, files, fingerprint } = refused(directory)
      assert.deepEqual(problems.map(formatProblem), ['config/sluice.yaml:1:1 cannot be read: a bug'])
      assert.deepEqual([files[0], fingerprint.length], ['config/sluice.yaml', 16])
    } finally {
      Reflect.deleteProperty(Object.prototype, 'toJSON')
    }
  })

  it('refuses a key called __proto__, wherever it stands', () => {
    for (const text of ['__proto__: {mode: enforce}\n', 'limits: {sender: {overrides: {__proto__: exempt}}}\n']) {
      const { problems } = refused(directoryWith(text))
      assert.match(formatProblem(problems[0]!), /"__proto__" is no name for anything/)
    }
  })
})

function fail(): never {
  throw new Error('a bug')
}
