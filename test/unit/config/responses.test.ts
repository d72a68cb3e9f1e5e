import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadPolicy } from '../../../src/config/load'
import { formatProblem } from '../../../src/config/problem'
import { shippedProviders } from '../../../src/config/providers/read'
import { readResponses } from '../../../src/config/responses/read'
import { readResponse } from '../../../src/feedback/read-response'

const PROVIDERS = [...shippedProviders().providers.keys()]

describe('rules for answers', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-responses-'))
    mkdirSync(path.join(dir, 'config/sluice'), { recursive: true })
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  function read(own?: string) {
    if (own !== undefined) writeFileSync(path.join(dir, 'config/sluice/responses.yaml'), own)
    return readResponses(dir, path.join(dir, 'config'), PROVIDERS).outcome
  }
  function classify(own: string | undefined, answer: string, provider?: string) {
    const outcome = read(own)
    if ('problems' in outcome) assert.fail(outcome.problems.map(formatProblem).join('\n'))
    const { rule, responseClass } = outcome.classifier.classify(readResponse(answer, { phase: undefined, provider }))
    return [rule?.name, responseClass]
  }
  function problemsOf(own: string): string[] {
    const outcome = read(own)
    return 'problems' in outcome ? outcome.problems.map(formatProblem) : []
  }

  it('are shipped, each right by its own samples', () => {
    // Where it is the operator's own file it is checked.
    const home = path.join(__dirname, '../../..')
    const { outcome } = readResponses(home, path.join(home, 'config'), PROVIDERS)
    assert.deepEqual('problems' in outcome ? outcome.problems.map(formatProblem) : [], [])
    assert.deepEqual(classify(undefined, '550 5.1.1 User unknown'), ['invalid', 'invalid'])
    assert.deepEqual(classify(undefined, '421 4.7.28 Unusual rate from your SPF domain', 'google'), [
      'google_rate_spf',
      'rate',
    ])
  })

  it('of your own are asked before, take the place of one, or remove it', () => {
    const own = `responses:
  ours: {says: our house, class: policy, is: ['550 5.1.1 User unknown in our house']}
  mailbox_full: {says: brim full, class: mailbox_full, is: ['452 Brim full']}
  code_full: false
`
    assert.deepEqual(classify(own, '550 5.1.1 User unknown in our house'), ['ours', 'policy'])
    assert.deepEqual(classify(own, '452 4.2.2 Brim full'), ['mailbox_full', 'mailbox_full'])
    assert.deepEqual(classify(own, '452 4.2.2 Later'), ['bare_busy', 'busy'])
  })

  for (const [what, own, problem] of [
    [
      'a rule that another one hides',
      "a: {code: '450', class: busy, is: ['450 x']}\n  b: {code: '450', says: y, class: rate, is: ['450 y']}",
      'responses.yaml:3:47 responses.b.is[0]: is of the rule a, which is asked before',
    ],
    ['a sample that is not of it', "a: {says: y, class: rate, is: ['250 zzz']}", 'is[0]: is not of this rule'],
    [
      'a sample that is of one asked later',
      "a: {says: y, class: rate, is: ['450 z']}",
      'is[0]: is not of this rule, but of the rule bare_busy',
    ],
    [
      'a sample that is of it and should not be',
      "a: {says: y, class: rate, is: ['450 y'], is_not: ['450 y z']}",
      'is_not[0]: is of this rule',
    ],
    ['no sample', 'a: {says: y, class: rate}', 'responses.a.is: '],
    ['a rule for everything', "a: {class: rate, is: ['450 y']}", 'fits every answer'],
    [
      'words that it must not have',
      "a: {says: [our list], not: [list], class: rate, is: ['450 our list']}",
      'can never match: "not" excludes each',
    ],
    [
      'codes that no answer has together',
      "a: {code: '4', enhanced: 5.7.1, class: rate, is: ['450 5.7.1 y']}",
      'can never match: an enhanced code',
    ],
    [
      'a provider that there is not',
      "a: {provider: gogle, says: y, class: rate, is: ['450 y']}",
      'no provider is called gogle: did you mean "google"?',
    ],
    ['a class that there is not', "a: {says: y, class: rates, is: ['450 y']}", 'responses.a.class: '],
    ['a phrase without a word', "a: {says: '--', class: rate, is: ['450 --']}", 'has no word'],
    ['a * in the middle', "a: {says: 'a*b', class: rate, is: ['450 ab']}", 'a * stands at the beginning or the end'],
    [
      'a unit that is none',
      "a: {says: y, class: rate, then: [{do: suspend, for: 3 hours}], is: ['450 y']}",
      'responses.a.then[0].for: "3 hours" is no duration',
    ],
    [
      'a trigger that is none',
      "a: {says: y, class: rate, then: [{do: suspend, when: often, for: 1h}], is: ['450 y']}",
      '"often" is no trigger: write immediate, 3/h',
    ],
    [
      'something to do that there is not',
      "a: {says: y, class: rate, then: [{do: explode, for: 1h}], is: ['450 y']}",
      'responses.a.then[0].do: "explode" is nothing that can be done: write one of suspend, rate, connections, session,',
    ],
    [
      'a recipient suppressed for what is about us',
      "a: {says: y, class: rate, then: [{do: suppress, for: 90d}], is: ['450 y']}",
      'responses.a.then[0].do: suppress is for answers about a recipient; these are about the path',
    ],
    [
      'an order that would last for ever',
      "a: {says: y, class: rate, then: [{do: pause, of: account, for: 60d}], is: ['450 y']}",
      'responses.a.then[0].for: ',
    ],
    [
      'a share of one recipient',
      "a: {says: y, class: rate, then: [{do: suppress, when: {share: 10%, least: 5, in: 1h}, for: 1d}], is: ['550 y']}",
      'responses.a.then[0].when: of one recipient there is no share: write immediate, or 3/31d',
    ],
    [
      'a key that some orders have, and this one has not',
      "a: {says: y, class: rate, then: [{do: delay, when: 3/h, for: 1h}], is: ['450 y']}",
      'responses.a.then[0].when: unknown key: remove it',
    ],
    ['a removal of nothing', 'a: false', 'no rule of this name is shipped'],
    ['a key that there is not', "a: {say: y, class: rate, is: ['450 y']}", 'did you mean "says"?'],
  ] as const) {
    it(`are refused with ${what}`, () => {
      const problems = problemsOf(`responses:\n  ${own}\n`)
      assert.ok(
        problems.some((one) => one.includes(problem)),
        problems.join('\n') || 'none',
      )
      for (const one of problems) assert.match(one, /^config\/sluice\/responses\.yaml:\d+:\d+ /)
    })
  }

  it('are refused with a class that suppresses recipients for what is about us', () => {
    const [problem] = problemsOf('classes:\n  listed: [{do: suppress, for: 90d}]\n')
    assert.match(problem!, /responses\.yaml:2:\d+ classes\.listed\[0\]\.do: suppress is for .* about the source$/)
    assert.deepEqual(problemsOf('classes:\n  mailbox_full: [{do: suppress, when: 30/31d, for: 7d}]\n'), [])
  })

  it('say what answers set off: as their class does, or otherwise', () => {
    const own = `classes:
  busy: [{do: connections, to: 50%, when: {share: 20%, least: 10, in: 5m}, for: 10m}]
responses:
  ours: {says: our house, class: busy, is: ['450 our house']}
  else: {says: else, class: busy, then: [{do: slow, of: account, to: 20/h, when: 3/h, for: 1d}], is: ['450 else']}
  none: {says: nothing, class: busy, then: [], is: ['450 nothing']}
`
    const outcome = read(own)
    assert.ok('classifier' in outcome, JSON.stringify(outcome))
    const of = (name: string) => outcome.classifier.ruleNamed(name)!.consequences
    const often = { kind: 'share', share: 0.2, least: 10, windowMs: 300_000 }
    assert.deepEqual(of('ours'), [{ does: 'connections', factor: 0.5, trigger: often, forMs: 600_000 }])
    assert.deepEqual(of('else'), [
      {
        ...{ does: 'slow', of: 'account', to: { limit: 20, windowMs: 3_600_000 }, forMs: 86_400_000 },
        trigger: { kind: 'count', limit: 3, windowMs: 3_600_000 },
      },
    ])
    assert.deepEqual(of('none'), [])
    assert.ok(outcome.classifier.sharesWanted.some(({ does }) => does === 'connections'))
  })

  it('are refused when they are no rules', () => {
    assert.match(problemsOf('- 1\n')[0]!, /must be lines of "key: value"/)
    assert.match(problemsOf('a: [\n')[0]!, / a list is opened with \[/)
  })

  it('are part of the configuration: a mistake is told with all others, and a change is noticed', () => {
    const before = loadPolicy(dir)
    assert.ok('responses' in before)
    assert.ok(before.files.includes('config/sluice/responses.yaml'), before.files.join())
    read("responses: {ours: {says: our house, class: policy, is: ['550 our house']}}\n")
    const after = loadPolicy(dir)
    assert.ok('responses' in after)
    assert.notEqual(after.fingerprint, before.fingerprint)
    read('responses: {ours: {}}\n')
    writeFileSync(path.join(dir, 'config/sluice.yaml'), 'mode: shadwo\n')
    const wrong = loadPolicy(dir)
    assert.ok('problems' in wrong)
    assert.deepEqual(
      [...new Set(wrong.problems.map(({ file }) => file))],
      ['config/sluice.yaml', 'config/sluice/responses.yaml'],
    )
  })
})
