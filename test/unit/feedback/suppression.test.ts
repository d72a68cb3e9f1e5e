import assert from 'node:assert/strict'
import {
  type NewSuppression,
  cleanDetail,
  entryOf,
  normalAddress,
  readSuppression,
  recordOf,
} from '../../../src/feedback/suppression'

const DAY = 86_400_000
const NOW = 1_790_000_000_000
const KEPT = { hard_bounce: 90 * DAY, complaint: 3650 * DAY, unsubscribe: 3650 * DAY, manual: 3650 * DAY }
const BOB: NewSuppression = { address: 'bob@far.test', reason: 'hard_bounce', by: 'feedback' }

describe('a suppressed address', () => {
  const normal: Record<string, string | undefined> = {
    'Bob@FAR.test': 'bob@far.test',
    'bob+News@far.test.': 'bob+news@far.test',
    '"Bob"@far.test': 'bob@far.test',
    '"a@b"@far.test': 'a@b@far.test',
    'bob@BÜCHER.example': 'bob@xn--bcher-kva.example',
    'bob@xn--bcher-kva.example': 'bob@xn--bcher-kva.example',
    'JOSE\u0301@far.test': 'jos\u00e9@far.test',
    'bob@[192.0.2.1]': 'bob@[192.0.2.1]',
    bob: undefined,
    'bob@': undefined,
    '@far.test': undefined,
    'bob smith@far.test': undefined,
    'bob\u0000@far.test': undefined,
    'bob@far test': undefined,
    'bob@far..test': undefined,
    [`${'x'.repeat(65)}@far.test`]: undefined,
    [`bob@${'x.'.repeat(130)}test`]: undefined,
    '': undefined,
  }
  for (const [written, form] of Object.entries(normal)) {
    it(`${JSON.stringify(written.slice(0, 40))} is ${form ?? 'none'}`, () => assert.equal(normalAddress(written), form))
  }

  it('is kept as long as its reason says, or whoever adds it', () => {
    const until = (said: Partial<NewSuppression>) => {
      const read = readSuppression({ ...BOB, ...said }, KEPT, NOW)
      return 'entry' in read ? (read.entry.until - NOW) / DAY : read.problem
    }
    assert.equal(until({}), 90)
    assert.equal(until({ reason: 'complaint' }), 3650)
    assert.equal(until({ since: NOW - 10 * DAY }), 80)
    assert.equal(until({ until: NOW + DAY }), 1)
    assert.equal(until({ until: Number.MAX_VALUE }), 20 * 365)
  })

  it('is refused with what is wrong', () => {
    const problem = (said: Partial<NewSuppression>) => {
      const read = readSuppression({ ...BOB, ...said }, KEPT, NOW)
      return 'problem' in read ? read.problem : 'none'
    }
    assert.match(problem({ address: 'bob' }), /"bob" is no mail address/)
    assert.match(problem({ tenant: 'a\nb' }), /no tenant/)
    assert.match(problem({ reason: 'spite' as never }), /no reason: write one of hard_bounce, /)
    assert.match(problem({ by: 'Some One' }), /no name of who says so/)
    assert.match(problem({ since: NaN }), /times/)
    assert.equal(problem({ tenant: '' }), 'none')
  })

  it('has a detail of one line that does nothing in a terminal', () => {
    assert.equal(cleanDetail(' 550\r\n\u001b[31mno\u202e such\tuser '), '550 [31mno such user')
    assert.equal(Array.from(cleanDetail('😀'.repeat(500))).length, 200)
  })

  it('is the same when it is read back from the store', () => {
    for (const said of [
      { ...BOB, tenant: 'acme|x', detail: 'no "such" user' },
      { ...BOB, address: `${'ü'.repeat(30)}@${'long.'.repeat(40)}test` },
      { ...BOB, tenant: 'ä'.repeat(300), detail: '\u{1F600}'.repeat(200) },
    ]) {
      const read = readSuppression(said, KEPT, NOW)
      assert.ok('entry' in read)
      assert.deepEqual(entryOf(recordOf(read.entry)), read.entry)
    }
    for (const text of ['', '{', '1', 'null', '{"a":1}', '{"a":"x","r":"later","s":1,"b":"x"}']) {
      assert.equal(entryOf({ key: 'k', text, expiresAt: NOW }), undefined)
    }
  })
})
