import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { examine } from '../../../src/cli/doctor'
import type { Finding } from '../../../src/cli/doctor/finding'
import { examineHost } from '../../../src/cli/doctor/host'
import { clock } from '../../../src/cli/doctor/sluice'
import { HarakaDirectory } from '../../../src/cli/haraka-directory'
import { sluice } from './command'
import { CASES, Files } from './doctor-cases'

const ROOT = path.resolve(__dirname, '../../..')

describe('sluice doctor', () => {
  let dir: string
  let files: Files

  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-doctor-'))
    files = new Files(dir)
    await sluice('init', dir, '--force')
    mkdirSync(files.file('node_modules'))
    // What `sluice run` makes; built or not, the names of the plugins must resolve.
    symlinkSync(ROOT, files.file('node_modules/haraka-plugin-sluice'))
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

  for (const { name, change, level, check, what, mend } of CASES) {
    it(`${level === 'fail' ? 'fails' : 'warns of'}: ${name}`, async () => {
      change(files)
      const findings = await examine(dir)
      const found = findings.find((finding) => finding.check === check && what.test(finding.what))
      assert.ok(found, `no such finding in ${JSON.stringify(findings, undefined, 2)}`)
      assert.equal(found.level, level)
      assert.match(found.mend!, mend)
    })
  }

  it('takes the names that karma knows', async () => {
    files.edit('config/plugins', /^/, 'karma\n')
    const listed = readFileSync(path.join(dir, 'config/plugins'), 'utf8').split('\n')
    const names = listed.filter((name) => name.startsWith('sluice/'))
    assert.ok(names.length > 5)
    files.write('config/karma.ini', `[deny_excludes]\nplugins=access, ${names.join(', ')}\n`)
    assert.ok((await examine(dir)).every(({ what }) => !what.includes('karma')))
  })

  it('tells an operator that a plugin of their own is not ours', async () => {
    files.write('plugins/messages.js', '')
    files.edit('config/plugins', /$/, 'messages\n')
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
    rmSync(files.file('config/connection.ini'))
    const { code, stdout } = await sluice('doctor', dir)
    assert.equal(code, 1)
    assert.match(stdout, /^fail {2}connection {2}.* is missing.*\n {18}→ copy/m)
    const json = await sluice('doctor', dir, '--json')
    assert.equal(json.code, 1)
    assert.equal((JSON.parse(json.stdout) as { fine: boolean }).fine, false)
  })

  it('says that a folder is no Haraka directory', async () => {
    cpSync(files.file('package.json'), files.file('empty/package.json'))
    const { code, stderr } = await sluice('doctor', files.file('empty'))
    assert.equal(code, 1)
    assert.match(stderr, /no Haraka directory: it has no config folder/)
  })
})
