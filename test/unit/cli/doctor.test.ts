import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { examine } from '../../../src/cli/doctor'
import type { Finding } from '../../../src/cli/doctor/finding'
import { examineHost } from '../../../src/cli/doctor/host'
import { clock } from '../../../src/cli/doctor/sluice'
import { HarakaDirectory } from '../../../src/cli/haraka-directory'
import { sluice } from './command'

const ROOT = path.resolve(__dirname, '../../..')

/** A change to a sound directory, and what the doctor must say of it. */
interface Case {
  readonly name: string
  readonly change: () => void
  readonly level: Finding['level']
  readonly check: string
  readonly what: RegExp
  readonly mend: RegExp
}

describe('sluice doctor', () => {
  let dir: string
  const file = (name: string) => path.join(dir, name)
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(file(name)), { recursive: true })
    writeFileSync(file(name), text)
  }
  const edit = (name: string, from: string | RegExp, to: string) => {
    const text = readFileSync(file(name), 'utf8')
    assert.notEqual(text.replace(from, to), text, `${name} holds no ${from}`)
    write(name, text.replace(from, to))
  }

  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-doctor-'))
    await sluice('init', dir, '--force')
    mkdirSync(file('node_modules'))
    // What `sluice run` makes; built or not, the names of the plugins must resolve.
    symlinkSync(ROOT, file('node_modules/haraka-plugin-sluice'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('takes the directory as --dir too, as all other commands do', async () => {
    const { stdout } = await sluice('doctor', '--dir', dir, '--json')
    assert.deepEqual((JSON.parse(stdout) as { findings: Finding[] }).findings, await examine(dir))
    assert.equal((await sluice('doctor', '--dir', dir, dir)).code, 2, 'one of them, not both')
  })

  it('finds nothing wrong with what init makes', async () => {
    const findings = await examine(dir)
    // Whether the suite is built depends on who runs this test.
    const wrong = findings.filter(({ level, what }) => level !== 'ok' && !what.endsWith('is not built'))
    assert.deepEqual(wrong, [])
    for (const check of [
      'node',
      'haraka',
      'plugins',
      'connection',
      'timeout',
      'sluice',
      'http',
      'decisions',
      'store',
    ]) {
      assert.ok(
        findings.some((finding) => finding.check === check),
        check,
      )
    }
  })

  const cases: readonly Case[] = [
    {
      name: 'a name without its prefix',
      change: () => edit('config/plugins', 'sluice/plugins/messages', 'messages'),
      level: 'fail',
      check: 'names',
      what: /finds no "messages" and will not start/,
      mend: /^write sluice\/plugins\/messages$/,
    },
    {
      name: 'a name with half its prefix',
      change: () => edit('config/plugins', 'sluice/plugins/messages', 'sluice/messages'),
      level: 'fail',
      check: 'plugins',
      what: /no plugin "sluice\/messages"/,
      mend: /^write sluice\/plugins\/messages$/,
    },
    {
      name: 'a misspelt name',
      change: () => edit('config/plugins', 'plugins/connections', 'plugins/conections'),
      level: 'fail',
      check: 'plugins',
      what: /no plugin "sluice\/plugins\/conections"/,
      mend: /^write sluice\/plugins\/connections$/,
    },
    {
      name: 'a source without an address of this host',
      change: () => write('config/sluice.yaml', 'egress: {sources: {a: {bind: 192.0.2.10}}, pool: a}\n'),
      level: 'warn',
      check: 'egress',
      what: /^no address of this host: a \(192\.0\.2\.10\); nothing can leave from there$/,
      mend: /egress\.sources/,
    },
    {
      name: 'retries that Haraka no longer makes',
      change: () => edit('config/outbound.ini', 'enable_tls', 'temp_fail_intervals=5m,1h*3\nenable_tls'),
      level: 'warn',
      check: 'egress',
      what: /^temp_fail_intervals in config\/outbound\.ini hold for nothing beside plugin egress$/,
      mend: /providers\.yaml/,
    },
    {
      name: 'a queue that is read all at once',
      change: () => edit('config/outbound.ini', 'concurrency_max', ';concurrency_max'),
      level: 'warn',
      check: 'egress',
      what: /^concurrency_max is 10000: Haraka reads as many queue files at once when it starts$/,
      mend: /concurrency_max=100/,
    },
    {
      name: 'addresses for reports that nobody reads',
      change: () => {
        edit('config/plugins', 'sluice/plugins/feedback', '')
        write('config/sluice.yaml', 'feedback: {bounces: [bounces@example.com]}\n')
      },
      level: 'warn',
      check: 'feedback',
      what: /names addresses, and no plugin reads what comes to them$/,
      mend: /^add sluice\/plugins\/feedback to config\/plugins/,
    },
    {
      name: 'reports that are tied to nothing',
      change: () => write('config/sluice.yaml', 'feedback: {bounces: [bounces@example.com], trace: false}\n'),
      level: 'warn',
      check: 'feedback',
      what: /^feedback\.trace is false/,
      mend: /X-Sluice-Trace/,
    },
    {
      name: 'links to unsubscribe that are in no mail',
      change: () => {
        edit('config/plugins', 'sluice/plugins/egress', '')
        write('config/sluice.yaml', 'feedback: {unsubscribe_url: https://mail.example.com/unsubscribe/}\n')
      },
      level: 'warn',
      check: 'feedback',
      what: /^feedback\.unsubscribe_url is set, and no plugin puts links into mail$/,
      mend: /^add sluice\/plugins\/egress/,
    },
    {
      name: 'no plugin of ours',
      change: () => write('config/plugins', 'relay\n'),
      level: 'fail',
      check: 'plugins',
      what: /lists no plugin of Sluice/,
      mend: /add a line such as sluice\/plugins\/connections/,
    },
    {
      name: 'a plugin listed twice',
      change: () => edit('config/plugins', /$/, 'haraka-plugin-sluice/plugins/messages\n'),
      level: 'fail',
      check: 'plugins',
      what: /sluice\/plugins\/messages is listed twice/,
      mend: /keep the first line/,
    },
    {
      name: 'a recipient validator above what counts attempts',
      change: () => edit('config/plugins', '# What Haraka runs', 'rcpt_to.in_host_list\n#'),
      level: 'fail',
      check: 'order',
      what: /sluice\/plugins\/messages stands below rcpt_to.in_host_list/,
      mend: /move sluice\/plugins\/messages above rcpt_to.in_host_list/,
    },
    {
      name: 'relay above connections',
      change: () => edit('config/plugins', '# What Haraka runs', 'relay\n#'),
      level: 'warn',
      check: 'order',
      what: /connections stands below relay/,
      mend: /above relay/,
    },
    {
      name: 'a file of the operator under our name',
      change: () => write('plugins/sluice/plugins/messages.js', ''),
      level: 'fail',
      check: 'names',
      what: /would load plugins\/sluice\/plugins\/messages.js, which is not ours/,
      mend: /rename /,
    },
    {
      name: 'another package under our name',
      change: () => {
        rmSync(file('node_modules/haraka-plugin-sluice'))
        write('node_modules/haraka-plugin-sluice/package.json', '{"name":"haraka-plugin-sluice","version":"0.0.9"}')
        write('node_modules/haraka-plugin-sluice/plugins/messages/package.json', '{"main":"index.js"}')
        write('node_modules/haraka-plugin-sluice/plugins/messages/index.js', '')
      },
      level: 'warn',
      check: 'names',
      what: /messages would load version 0\.0\.9/,
      mend: /npm install haraka-plugin-sluice@/,
    },
    {
      name: 'the stock rate limiter beside ours, by its older name',
      change: () => edit('config/plugins', /$/, 'rate_limit\n'),
      level: 'warn',
      check: 'names',
      what: /"rate_limit" does the work of our connections and messages/,
      mend: /remove rate_limit/,
    },
    {
      name: 'karma that does not know us',
      change: () => edit('config/plugins', /^/, 'karma\n'),
      level: 'fail',
      check: 'karma',
      what: /karma would turn the refusals of Sluice into acceptance/,
      mend: /\[deny_excludes\] in config\/karma.ini: sluice\/plugins\/overload, sluice\/plugins\/jail, /,
    },
    {
      name: 'no connection.ini',
      change: () => rmSync(file('config/connection.ini')),
      level: 'fail',
      check: 'connection',
      what: /connection.ini is missing: every session would hang/,
      mend: /copy the file/,
    },
    {
      name: 'a vital section missing',
      change: () => edit('config/connection.ini', '[uuid]', '[uid]'),
      level: 'fail',
      check: 'connection',
      what: /has no \[uuid\]: every session would hang/,
      mend: /add it/,
    },
    {
      name: 'another section missing',
      change: () => edit('config/connection.ini', '[haproxy]', '[proxy]'),
      level: 'warn',
      check: 'connection',
      what: /has no \[haproxy\]/,
      mend: /add it/,
    },
    {
      name: 'a version on show',
      change: () => edit('config/connection.ini', 'show_version=false', '; show_version=true'),
      level: 'warn',
      check: 'connection',
      what: /shows its version/,
      mend: /show_version=false/,
    },
    {
      name: 'hooks without a time limit',
      change: () => write('config/plugin_timeout', '0\n'),
      level: 'warn',
      check: 'timeout',
      what: /plugin_timeout is 0/,
      mend: /plugin_timeout/,
    },
    {
      name: 'a hook limit shorter than the tarpit',
      change: () => write('config/plugin_timeout', '12\n'),
      level: 'fail',
      check: 'timeout',
      what: /held 15 s, and Haraka ends a hook after 12 s/,
      mend: /write 16 or more/,
    },
    {
      name: 'a shutdown that cuts everything off',
      change: () => edit('config/smtp.ini', 'graceful_shutdown=true', ''),
      level: 'warn',
      check: 'shutdown',
      what: /ends at once/,
      mend: /graceful_shutdown=true/,
    },
    {
      name: 'a mistake in sluice.yaml',
      change: () => edit('config/sluice.yaml', /^mode: shadow/m, 'mode: shadwo'),
      level: 'fail',
      check: 'sluice',
      what: /^config\/sluice.yaml:\d+:\d+ mode: .*no mode/,
      mend: /sluice config check/,
    },
    {
      name: 'metrics open to the network',
      change: () => edit('config/sluice.yaml', /listen: .*/, 'listen: 0.0.0.0:9000'),
      level: 'warn',
      check: 'http',
      what: /open to the network on 0\.0\.0\.0:9000/,
      mend: /127\.0\.0\.1/,
    },
    {
      name: 'a decision folder that cannot be',
      change: () => write('data', 'a file where a folder should be'),
      level: 'fail',
      check: 'decisions',
      what: /data\/decisions cannot be written/,
      mend: /permission/,
    },
    {
      name: 'an open relay',
      change: () => edit('config/relay_acl_allow', /$/, '0.0.0.0/0\n'),
      level: 'fail',
      check: 'relay',
      what: /lets everybody \(0\.0\.0\.0\/0\) send to any domain/,
      mend: /your own networks/,
    },
    {
      name: 'greylisting that takes too long',
      change: () => edit('config/sluice.yaml', /^ {2}delay: .*/m, '  delay: 30m'),
      level: 'warn',
      check: 'greylist',
      what: /deferred for 30 min: people wait/,
      mend: /2m to 10m/,
    },
    {
      name: 'trust in everybody',
      change: () => edit('config/sluice.yaml', /^trusted: .*/m, 'trusted: [127.0.0.0/8, 0.0.0.0/0, fc00::/7]'),
      level: 'warn',
      check: 'exempt',
      what: /^trusted names 0\.0\.0\.0\/0: no limit holds/,
      mend: /name your own networks/,
    },
    {
      name: 'a jail that bans nobody',
      change: () => edit('config/sluice.yaml', /^ {2}never: .*/m, "  never: [0.0.0.0/1, 10.0.0.0/8, '2000::/3']"),
      level: 'warn',
      check: 'exempt',
      what: /^jail\.never names 0\.0\.0\.0\/1, 2000::\/3: the jail bans/,
      mend: /name your own networks/,
    },
    {
      name: 'a store that does not answer',
      change: () => edit('config/sluice.yaml', /^store: .*/m, 'store: redis://127.0.0.1:1/0'),
      level: 'fail',
      check: 'store',
      what: /does not answer: .*127\.0\.0\.1:1/,
      mend: /see to it/,
    },
  ]

  for (const { name, change, level, check, what, mend } of cases) {
    it(`${level === 'fail' ? 'fails' : 'warns of'}: ${name}`, async () => {
      change()
      const findings = await examine(dir)
      const found = findings.find((finding) => finding.check === check && what.test(finding.what))
      assert.ok(found, `no such finding in ${JSON.stringify(findings, undefined, 2)}`)
      assert.equal(found.level, level)
      assert.match(found.mend!, mend)
    })
  }

  it('takes the names that karma knows', async () => {
    edit('config/plugins', /^/, 'karma\n')
    const listed = readFileSync(path.join(dir, 'config/plugins'), 'utf8').split('\n')
    const names = listed.filter((name) => name.startsWith('sluice/'))
    assert.ok(names.length > 5)
    write('config/karma.ini', `[deny_excludes]\nplugins=access, ${names.join(', ')}\n`)
    assert.ok((await examine(dir)).every(({ what }) => !what.includes('karma')))
  })

  it('tells an operator that a plugin of their own is not ours', async () => {
    write('plugins/messages.js', '')
    edit('config/plugins', /$/, 'messages\n')
    const found = (await examine(dir)).find(({ what }) => what.startsWith('"messages"'))
    assert.equal(found?.level, 'warn')
  })

  it('knows which Node and Haraka fit', () => {
    const files = new HarakaDirectory(dir)
    const levels = (node: string, version?: string) =>
      examineHost({ dir, files, haraka: version === undefined ? undefined : { path: '/x', version } }, node).map(
        ({ level }) => level,
      )
    assert.deepEqual(levels('20.19.0', '3.3.4'), ['ok', 'ok'])
    assert.deepEqual(levels('20.18.1', '3.2.0'), ['fail', 'fail'])
    assert.deepEqual(levels('21.7.0', '4.0.0'), ['fail', 'fail'])
    assert.deepEqual(levels('22.11.0'), ['fail', 'fail'])
    assert.deepEqual(levels('22.12.0', '3.4.0'), ['ok', 'warn'])
  })

  it('warns when the clocks are more than a second apart', () => {
    assert.equal(clock(-1000).level, 'ok')
    assert.match(clock(-2500).what, /2\.5 s behind this host's/)
    assert.match(clock(1001).what, /ahead of/)
  })

  it('exits with 1 when something fails, and prints what to do', async () => {
    rmSync(file('config/connection.ini'))
    const { code, stdout } = await sluice('doctor', dir)
    assert.equal(code, 1)
    assert.match(stdout, /^fail {2}connection {2}.* is missing.*\n {18}→ copy/m)
    const json = await sluice('doctor', dir, '--json')
    assert.equal(json.code, 1)
    assert.equal((JSON.parse(json.stdout) as { fine: boolean }).fine, false)
  })

  it('says that a folder is no Haraka directory', async () => {
    cpSync(file('package.json'), file('empty/package.json'))
    const { code, stderr } = await sluice('doctor', file('empty'))
    assert.equal(code, 1)
    assert.match(stderr, /no Haraka directory: it has no config folder/)
  })
})
