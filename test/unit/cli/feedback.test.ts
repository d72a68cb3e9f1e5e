import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sluice } from './command'

describe('sluice feedback classify', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-feedback-'))
    mkdirSync(path.join(dir, 'config/sluice'), { recursive: true })
  })
  afterEach(() => rmSync(dir, { recursive: true }))
  const classify = (...args: readonly string[]) => sluice('feedback', 'classify', ...args, '--dir', dir)

  it('says what an answer is about, and by which rule', async () => {
    const { code, stdout } = await classify(
      '421-4.7.28 An unusual rate of mail from your SPF domain',
      '--provider',
      'google',
    )
    assert.equal(code, 0)
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
      [
        'class     rate: too many messages in too short a time',
        'about     spf_domain',
        'then      tried again',
        'code      421 4.7.28',
        'text      An unusual rate of mail from your SPF domain',
        'rule      google_rate_spf',
        'sets off  blame for 1 h, after 3 in 1 h',
      ],
    )
  })

  it('says so to programs', async () => {
    const { stdout } = await classify('550 5.1.1 User unknown', '--phase', 'rcpt', '--json')
    const { class: about, hard, final, rule, enhanced } = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual([about, hard, final, rule, enhanced], ['invalid', true, true, 'invalid', '5.1.1'])
  })

  it('lets nothing of an answer act on the terminal', async () => {
    const { stdout } = await classify('550 a\u001b[2Jb\u009bc')
    assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u009b'), stdout)
  })

  it('knows providers and phases, and no others', async () => {
    const unknown = await classify('550 no', '--provider', 'gogle')
    assert.deepEqual(
      [unknown.code, /^sluice: no provider is called gogle: write one of apple/.test(unknown.stderr)],
      [2, true],
    )
    assert.equal((await classify('550 no', '--phase', 'lunch')).code, 2)
  })

  it('says how an answer is written where there is none, or no code in it', async () => {
    const none = await classify('  ')
    assert.deepEqual(
      [none.code, /an answer is empty: write it as the server did, such as "550/.test(none.stderr)],
      [2, true],
    )
    const bare = await classify('User unknown')
    assert.match(bare.stdout, /^class +invalid/)
    assert.match(bare.stderr, /^No code was found in it: write it as the server did/)
    assert.equal((await classify('5.1.1 User unknown')).stderr, '')
  })

  it('names every mistake of the rules', async () => {
    writeFileSync(path.join(dir, 'config/sluice/responses.yaml'), 'responses: {a: {class: rate, is: [450 x]}}\n')
    const { code, stderr } = await classify('550 no')
    assert.equal(code, 1)
    assert.match(
      stderr,
      /the configuration cannot be used:\n {2}config\/sluice\/responses\.yaml:1:13 responses\.a: fits every answer/,
    )
  })
})
