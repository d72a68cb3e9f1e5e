import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { formatProblem, loadPolicy } from '../../../src/config/load'
import { TestDirectory } from './fixtures'

const MISTAKES = path.join(__dirname, 'mistakes')
const VALID = path.join(__dirname, 'valid')

function fixtures(folder: string): string[] {
  return readdirSync(folder).filter((file) => file.endsWith('.yaml'))
}

/** What is said about a fixture, one line for each problem. */
function problemsOf(folder: string, fixture: string): string {
  const directory = new TestDirectory(readFileSync(path.join(folder, fixture), 'utf8'))
  try {
    directory.addMaps(path.join(folder, 'maps'))
    const loaded = loadPolicy(directory.path)
    return 'problems' in loaded ? loaded.problems.map((problem) => formatProblem(problem) + '\n').join('') : ''
  } finally {
    directory.remove()
  }
}

describe('mistakes in the configuration', () => {
  for (const fixture of fixtures(MISTAKES)) {
    it(`${fixture} is refused with the reason and the mend`, () => {
      const expected = readFileSync(path.join(MISTAKES, fixture.replace('.yaml', '.txt')), 'utf8')
      assert.equal(problemsOf(MISTAKES, fixture), expected)
      assert.notEqual(expected, '')
    })
  }

  it('never shows a password, or the key of a DNS list', () => {
    for (const file of readdirSync(MISTAKES).filter((name) => name.endsWith('.txt'))) {
      assert.doesNotMatch(readFileSync(path.join(MISTAKES, file), 'utf8'), /secret|s3cr|abcdefgh/, file)
    }
  })

  it('never shows a secret to programs either', () => {
    for (const fixture of fixtures(MISTAKES)) {
      const directory = new TestDirectory(readFileSync(path.join(MISTAKES, fixture), 'utf8'))
      const loaded = loadPolicy(directory.path)
      directory.remove()
      assert.ok('problems' in loaded, fixture)
      assert.doesNotMatch(JSON.stringify(loaded.problems), /s3cr|abcdefgh/, fixture)
    }
  })

  it('has an expected text for each fixture and no other', () => {
    const names = readdirSync(MISTAKES).filter((name) => name.endsWith('.txt'))
    assert.deepEqual(
      names.map((name) => name.replace('.txt', '.yaml')),
      fixtures(MISTAKES),
    )
  })
})

describe('valid configurations', () => {
  for (const fixture of fixtures(VALID)) {
    it(`${fixture} is taken`, () => assert.equal(problemsOf(VALID, fixture), ''))
  }
})
