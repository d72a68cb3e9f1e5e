import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { DEFAULTS } from '../../../src/config/defaults'
import { keysAt } from '../../../src/config/json-schema'
import { formatProblem, loadPolicy } from '../../../src/config/load'
import { type MapEntry, parseMap } from '../../../src/config/maps'
import { organisationalDomain } from '../../../src/keys/mailbox'
import { TestDirectory } from './fixtures'

const CONFIG = path.join(__dirname, '..', '..', '..', 'config')
const TEXT = readFileSync(path.join(CONFIG, 'sluice.yaml'), 'utf8')

/** A comment that begins with # and no blank is a setting to switch on, with all lines down to the next empty one. */
function examplesIn(lines: readonly string[]): { first: number; end: number }[] {
  const found: { first: number; end: number }[] = []
  lines.forEach((line, index) => {
    const last = found.at(-1)
    if (last?.end === index && /^\s*#/.test(line)) last.end++
    else if (/^\s*#\w/.test(line)) found.push({ first: index, end: index + 1 })
  })
  return found
}

/** The file with one example switched on, in place of the settings of the same names above it. */
function switchOn(lines: readonly string[], { first, end }: { first: number; end: number }): string {
  const example = lines.slice(first, end).map((line) => line.replace('#', ''))
  const indent = /^\s*/.exec(example[0]!)![0]
  const keys = example
    .flatMap((line) => /^\s*\w+:/.exec(line)?.[0] ?? [])
    .filter((key) => key.search(/\w/) === indent.length)
  const replaced = keys.map((key) => lines.slice(0, first).findLastIndex((line) => line.startsWith(key)))
  return [...lines.slice(0, first).filter((_, at) => !replaced.includes(at)), ...example, ...lines.slice(end)].join(
    '\n',
  )
}

describe('the shipped configuration', () => {
  it('holds every default, but judges the mail of this machine', () => {
    assert.deepEqual(parse(TEXT), { ...DEFAULTS, trusted: [] })
    assert.ok(TEXT.includes("[127.0.0.0/8, '::1']"), 'it says what the default of trusted is')
  })

  it('shows every key that there is', () => {
    const sections = Object.keys(DEFAULTS).filter((key) => !['mode', 'limits', 'tenants', 'trusted'].includes(key))
    const keys = [...keysAt([]), ...sections.flatMap((section) => keysAt([section])), ...keysAt(['limits', 'mine'])]
    for (const key of keys) assert.match(TEXT, new RegExp(`^[ #]*${key}:`, 'm'), `${key} is not shown`)
  })

  it('says something about every key', () => {
    const lines = TEXT.split('\n')
    const head = lines.findIndex((line) => line.startsWith('limits:'))
    lines.slice(0, head).forEach((line, index) => {
      if (!/^\s*\w+:/.test(line)) return
      assert.match(lines[index - 1]!, /^\s*#/, `no comment above line ${index + 1}: ${line}`)
    })
  })

  it('loads', () => {
    const loaded = loadPolicy(path.dirname(CONFIG))
    assert.deepEqual('problems' in loaded ? loaded.problems.map(formatProblem) : [], [])
  })

  const lines = TEXT.split('\n')
  const examples = examplesIn(lines)

  it('has examples', () => assert.ok(examples.length >= 8, `${examples.length}`))

  for (const example of examples) {
    it(`is still right with the example of line ${example.first + 1} switched on`, () => {
      const directory = new TestDirectory(switchOn(lines, example))
      directory.write('config/sluice/accounts.map', 'account:shop 500/h\n')
      const loaded = loadPolicy(directory.path)
      directory.remove()
      assert.deepEqual('problems' in loaded ? loaded.problems.map(formatProblem) : [], [])
    })
  }
})

describe('the shipped map of large senders', () => {
  const text = readFileSync(path.join(CONFIG, 'sluice', 'large-senders.map'), 'utf8')
  const { entries, problems } = parseMap(text)

  it('has no mistakes and no entry that could not apply', () => {
    assert.deepEqual(problems, [])
    for (const { key } of entries) {
      assert.equal(key.kind, 'domain', key.text)
      assert.equal(organisationalDomain(key.text), key.text)
    }
  })

  it('names the large providers', () => {
    const domains = new Set(entries.map(({ key }) => key.text))
    for (const domain of 'gmail.com outlook.com yahoo.com icloud.com gmx.de web.de mail.ru qq.com orange.fr proton.me naver.com'.split(
      ' ',
    )) {
      assert.ok(domains.has(domain), domain)
    }
  })

  it('holds exactly what its own calculation comes to', () => {
    const busiestHour = 10_000 * 30 * 0.1 * 2.5
    const limits = [0.25, 0.05, 0.01, 0.0025].map((share) => roundUp(busiestHour * share))
    assert.deepEqual(limits, [20_000, 4000, 800, 200])
    for (const limit of limits) assert.ok(text.includes(limit.toLocaleString('en')), `${limit} is explained`)
    for (const entry of entries) {
      const [minute, hour] = windowsOf(entry)
      assert.ok(limits.includes(hour!), `${entry.key.text} ${hour}`)
      assert.equal(minute, hour! / 10, entry.key.text)
    }
  })

  it('never gives less than the rule itself', () => {
    for (const entry of entries) {
      const [minute, hour] = windowsOf(entry)
      assert.ok(minute! >= 20 && hour! >= 100, entry.key.text)
    }
  })

  function windowsOf({ value }: MapEntry): number[] {
    assert.ok(value !== 'exempt' && value.kind === 'windows')
    assert.deepEqual(
      value.windows.map(({ windowMs }) => windowMs),
      [60_000, 3_600_000],
    )
    return value.windows.map(({ limit }) => limit)
  }

  /** Up to one figure that is not zero. */
  function roundUp(figure: number): number {
    const unit = 10 ** Math.floor(Math.log10(figure))
    return Math.ceil(figure / unit) * unit
  }
})
