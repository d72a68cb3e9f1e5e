import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SuppressionFile, csvHead, csvRow } from '../../../src/feedback/suppression-file'
import type { Suppression } from '../../../src/policy/suppression'

const DEFAULTS = { tenant: undefined, reason: 'manual', until: undefined } as const

function read(lines: readonly string[], defaults: ConstructorParameters<typeof SuppressionFile>[0] = DEFAULTS) {
  const file = new SuppressionFile(defaults)
  return lines.map((line) => file.read(line))
}

describe('a file of suppressed addresses', () => {
  it('has an address a line, comments and empty lines', () => {
    const said = read(['\uFEFF# list', '', 'bob@far.test', ' EVE@far.test \r'], {
      ...DEFAULTS,
      tenant: 'acme',
      until: 5,
    })
    assert.deepEqual(said.slice(0, 2), [undefined, undefined])
    assert.deepEqual(
      said.slice(2).map((line) => line && 'said' in line && [line.said.address, line.said.tenant, line.said.until]),
      [
        ['bob@far.test', 'acme', 5],
        ['EVE@far.test', 'acme', 5],
      ],
    )
  })

  it('has columns by any order and by the names that others use', () => {
    const [, line] = read(['Reason, Email ,ignored,created', 'complaint,"bob@far.test",x,2026-01-31'])
    assert.ok(line && 'said' in line)
    assert.equal(line.said.address, 'bob@far.test')
    assert.equal(line.said.reason, 'complaint')
    assert.equal(line.said.since, Date.UTC(2026, 0, 31))
    assert.equal(line.said.by, 'import')
  })

  it('says of each bad line what is wrong', () => {
    const problems = (lines: readonly string[]) =>
      read(lines).map((line) => (line && 'problem' in line ? line.problem : 'none'))
    assert.match(problems(['bob'])[0]!, /"bob" is no mail address$/)
    assert.match(problems(['bob@far.test,complaint'])[0]!, /first line of a CSV file names its columns/)
    const head = 'address,reason,until'
    assert.match(problems([head, 'bob,complaint,'])[1]!, /"bob" is no mail address/)
    assert.match(problems([head, 'a@f.test,spite,'])[1]!, /"spite" is no reason/)
    assert.match(problems([head, 'a@f.test,manual,soon'])[1]!, /"soon" is no time/)
    assert.match(problems([head, '"a@f.test'])[1]!, /quote is not closed/)
    assert.match(problems([head, 'a@f.test,manual,,,'])[1]!, /5 values, and 3 columns/)
    assert.equal(problems([head, 'a@f.test'])[1], 'none')
  })

  it('can be read again as it was written', () => {
    const text = fc.string({ maxLength: 30 }).map((one) => one.replace(/[\r\n#\uFEFF]/g, ' ').trim())
    fc.assert(
      fc.property(text, text, (detail, tenant) => {
        const entry: Suppression = {
          ...{ address: 'bob+"x"@far.test', tenant: tenant || undefined, reason: 'complaint', detail },
          ...{ since: 1_790_000_000_000, until: 1_800_000_000_000, by: 'feedback' },
        }
        const [, line] = read([csvHead(), csvRow(entry)])
        assert.ok(line && 'said' in line)
        assert.deepEqual({ ...line.said, detail: line.said.detail ?? '' }, entry)
      }),
    )
  })
})
