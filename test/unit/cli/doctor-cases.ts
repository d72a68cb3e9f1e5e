import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Finding } from '../../../src/cli/doctor/finding'

/** The files of a Haraka directory. */
export class Files {
  constructor(private readonly dir: string) {}

  file(name: string): string {
    return path.join(this.dir, name)
  }

  write(name: string, text: string): void {
    mkdirSync(path.dirname(this.file(name)), { recursive: true })
    writeFileSync(this.file(name), text)
  }

  edit(name: string, from: string | RegExp, to: string): void {
    const text = readFileSync(this.file(name), 'utf8')
    assert.notEqual(text.replace(from, to), text, `${name} holds no ${from}`)
    this.write(name, text.replace(from, to))
  }
}

/** A change to a sound directory, and what the doctor must say of it. */
export interface Case {
  readonly name: string
  readonly change: (files: Files) => void
  readonly level: Finding['level']
  readonly check: string
  readonly what: RegExp
  readonly mend: RegExp
}

export const CASES: readonly Case[] = [
  {
    name: 'a name without its prefix',
    change: (files) => files.edit('config/plugins', 'sluice/plugins/messages', 'messages'),
    level: 'fail',
    check: 'names',
    what: /finds no "messages" and will not start/,
    mend: /^write sluice\/plugins\/messages$/,
  },
  {
    name: 'a name with half its prefix',
    change: (files) => files.edit('config/plugins', 'sluice/plugins/messages', 'sluice/messages'),
    level: 'fail',
    check: 'plugins',
    what: /no plugin "sluice\/messages"/,
    mend: /^write sluice\/plugins\/messages$/,
  },
  {
    name: 'a misspelt name',
    change: (files) => files.edit('config/plugins', 'plugins/connections', 'plugins/conections'),
    level: 'fail',
    check: 'plugins',
    what: /no plugin "sluice\/plugins\/conections"/,
    mend: /^write sluice\/plugins\/connections$/,
  },
  {
    name: 'a source without an address of this host',
    change: (files) => files.write('config/sluice.yaml', 'egress: {sources: {a: {bind: 192.0.2.10}}, pool: a}\n'),
    level: 'warn',
    check: 'egress',
    what: /^no address of this host: a \(192\.0\.2\.10\); nothing can leave from there$/,
    mend: /egress\.sources/,
  },
  {
    name: 'retries that Haraka no longer makes',
    change: (files) => files.edit('config/outbound.ini', 'enable_tls', 'temp_fail_intervals=5m,1h*3\nenable_tls'),
    level: 'warn',
    check: 'egress',
    what: /^temp_fail_intervals in config\/outbound\.ini hold for nothing beside plugin egress$/,
    mend: /providers\.yaml/,
  },
  {
    name: 'a queue that is read all at once',
    change: (files) => files.edit('config/outbound.ini', 'concurrency_max', ';concurrency_max'),
    level: 'warn',
    check: 'egress',
    what: /^concurrency_max is 10000: Haraka reads as many queue files at once when it starts$/,
    mend: /concurrency_max=100/,
  },
  {
    name: 'addresses for reports that nobody reads',
    change: (files) => {
      files.edit('config/plugins', 'sluice/plugins/feedback', '')
      files.write('config/sluice.yaml', 'feedback: {bounces: [bounces@example.com]}\n')
    },
    level: 'warn',
    check: 'feedback',
    what: /names addresses, and no plugin reads what comes to them$/,
    mend: /^add sluice\/plugins\/feedback to config\/plugins/,
  },
  {
    name: 'reports that are tied to nothing',
    change: (files) => files.write('config/sluice.yaml', 'feedback: {bounces: [bounces@example.com], trace: false}\n'),
    level: 'warn',
    check: 'feedback',
    what: /^feedback\.trace is false/,
    mend: /X-Sluice-Trace/,
  },
  {
    name: 'links to unsubscribe that are in no mail',
    change: (files) => {
      files.edit('config/plugins', 'sluice/plugins/egress', '')
      files.write('config/sluice.yaml', 'feedback: {unsubscribe_url: https://mail.example.com/unsubscribe/}\n')
    },
    level: 'warn',
    check: 'feedback',
    what: /^feedback\.unsubscribe_url is set, and no plugin puts links into mail$/,
    mend: /^add sluice\/plugins\/egress/,
  },
  {
    name: 'no plugin of ours',
    change: (files) => files.write('config/plugins', 'relay\n'),
    level: 'fail',
    check: 'plugins',
    what: /lists no plugin of Sluice/,
    mend: /add a line such as sluice\/plugins\/connections/,
  },
  {
    name: 'a plugin listed twice',
    change: (files) => files.edit('config/plugins', /$/, 'haraka-plugin-sluice/plugins/messages\n'),
    level: 'fail',
    check: 'plugins',
    what: /sluice\/plugins\/messages is listed twice/,
    mend: /keep the first line/,
  },
  {
    name: 'a recipient validator above what counts attempts',
    change: (files) => files.edit('config/plugins', '# What Haraka runs', 'rcpt_to.in_host_list\n#'),
    level: 'fail',
    check: 'order',
    what: /sluice\/plugins\/messages stands below rcpt_to.in_host_list/,
    mend: /move sluice\/plugins\/messages above rcpt_to.in_host_list/,
  },
  {
    name: 'relay above connections',
    change: (files) => files.edit('config/plugins', '# What Haraka runs', 'relay\n#'),
    level: 'warn',
    check: 'order',
    what: /connections stands below relay/,
    mend: /above relay/,
  },
  {
    name: 'a file of the operator under our name',
    change: (files) => files.write('plugins/sluice/plugins/messages.js', ''),
    level: 'fail',
    check: 'names',
    what: /would load plugins\/sluice\/plugins\/messages.js, which is not ours/,
    mend: /rename /,
  },
  {
    name: 'another package under our name',
    change: (files) => {
      rmSync(files.file('node_modules/haraka-plugin-sluice'))
      files.write('node_modules/haraka-plugin-sluice/package.json', '{"name":"haraka-plugin-sluice","version":"0.0.9"}')
      files.write('node_modules/haraka-plugin-sluice/plugins/messages/package.json', '{"main":"index.js"}')
      files.write('node_modules/haraka-plugin-sluice/plugins/messages/index.js', '')
    },
    level: 'warn',
    check: 'names',
    what: /messages would load version 0\.0\.9/,
    mend: /npm install haraka-plugin-sluice@/,
  },
  {
    name: 'the stock rate limiter beside ours, by its older name',
    change: (files) => files.edit('config/plugins', /$/, 'rate_limit\n'),
    level: 'warn',
    check: 'names',
    what: /"rate_limit" does the work of our connections and messages/,
    mend: /remove rate_limit/,
  },
  {
    name: 'karma that does not know us',
    change: (files) => files.edit('config/plugins', /^/, 'karma\n'),
    level: 'fail',
    check: 'karma',
    what: /karma would turn the refusals of Sluice into acceptance/,
    mend: /\[deny_excludes\] in config\/karma.ini: sluice\/plugins\/overload, sluice\/plugins\/jail, /,
  },
  {
    name: 'no connection.ini',
    change: (files) => rmSync(files.file('config/connection.ini')),
    level: 'fail',
    check: 'connection',
    what: /connection.ini is missing: every session would hang/,
    mend: /copy the file/,
  },
  {
    name: 'a vital section missing',
    change: (files) => files.edit('config/connection.ini', '[uuid]', '[uid]'),
    level: 'fail',
    check: 'connection',
    what: /has no \[uuid\]: every session would hang/,
    mend: /add it/,
  },
  {
    name: 'another section missing',
    change: (files) => files.edit('config/connection.ini', '[haproxy]', '[proxy]'),
    level: 'warn',
    check: 'connection',
    what: /has no \[haproxy\]/,
    mend: /add it/,
  },
  {
    name: 'a version on show',
    change: (files) => files.edit('config/connection.ini', 'show_version=false', '; show_version=true'),
    level: 'warn',
    check: 'connection',
    what: /shows its version/,
    mend: /show_version=false/,
  },
  {
    name: 'hooks without a time limit',
    change: (files) => files.write('config/plugin_timeout', '0\n'),
    level: 'warn',
    check: 'timeout',
    what: /plugin_timeout is 0/,
    mend: /plugin_timeout/,
  },
  {
    name: 'a hook limit shorter than the tarpit',
    change: (files) => files.write('config/plugin_timeout', '12\n'),
    level: 'fail',
    check: 'timeout',
    what: /held 15 s, and Haraka ends a hook after 12 s/,
    mend: /write 16 or more/,
  },
  {
    name: 'a shutdown that cuts everything off',
    change: (files) => files.edit('config/smtp.ini', 'graceful_shutdown=true', ''),
    level: 'warn',
    check: 'shutdown',
    what: /ends at once/,
    mend: /graceful_shutdown=true/,
  },
  {
    name: 'a mistake in sluice.yaml',
    change: (files) => files.edit('config/sluice.yaml', /^mode: shadow/m, 'mode: shadwo'),
    level: 'fail',
    check: 'sluice',
    what: /^config\/sluice.yaml:\d+:\d+ mode: .*no mode/,
    mend: /sluice config check/,
  },
  {
    name: 'metrics open to the network',
    change: (files) => files.edit('config/sluice.yaml', /listen: .*/, 'listen: 0.0.0.0:9000'),
    level: 'warn',
    check: 'http',
    what: /open to the network on 0\.0\.0\.0:9000/,
    mend: /127\.0\.0\.1/,
  },
  {
    name: 'a decision folder that cannot be',
    change: (files) => files.write('data', 'a file where a folder should be'),
    level: 'fail',
    check: 'decisions',
    what: /data\/decisions cannot be written/,
    mend: /permission/,
  },
  {
    name: 'an open relay',
    change: (files) => files.edit('config/relay_acl_allow', /$/, '0.0.0.0/0\n'),
    level: 'fail',
    check: 'relay',
    what: /lets everybody \(0\.0\.0\.0\/0\) send to any domain/,
    mend: /your own networks/,
  },
  {
    name: 'greylisting that takes too long',
    change: (files) => files.edit('config/sluice.yaml', /^ {2}delay: .*/m, '  delay: 30m'),
    level: 'warn',
    check: 'greylist',
    what: /deferred for 30 min: people wait/,
    mend: /2m to 10m/,
  },
  {
    name: 'trust in everybody',
    change: (files) => files.edit('config/sluice.yaml', /^trusted: .*/m, 'trusted: [127.0.0.0/8, 0.0.0.0/0, fc00::/7]'),
    level: 'warn',
    check: 'exempt',
    what: /^trusted names 0\.0\.0\.0\/0: no limit holds/,
    mend: /name your own networks/,
  },
  {
    name: 'a jail that bans nobody',
    change: (files) =>
      files.edit('config/sluice.yaml', /^ {2}never: .*/m, "  never: [0.0.0.0/1, 10.0.0.0/8, '2000::/3']"),
    level: 'warn',
    check: 'exempt',
    what: /^jail\.never names 0\.0\.0\.0\/1, 2000::\/3: the jail bans/,
    mend: /name your own networks/,
  },
  {
    name: 'a store that does not answer',
    change: (files) => files.edit('config/sluice.yaml', /^store: .*/m, 'store: redis://127.0.0.1:1/0'),
    level: 'fail',
    check: 'store',
    what: /does not answer: .*127\.0\.0\.1:1/,
    mend: /see to it/,
  },
]
