import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { pages } from '../../../scripts/reference'

const ROOT = path.resolve(__dirname, '../../..')

describe('documentation', () => {
  it('has a reference that is current', async function () {
    this.timeout(20_000)
    for (const [name, text] of Object.entries(await pages())) {
      const file = path.join(ROOT, 'docs/reference', name)
      assert.equal(readFileSync(file, 'utf8'), text, `docs/reference/${name} is stale: run npm run docs`)
    }
  })

  it('links to nothing that is not there', () => {
    for (const page of ['README.md', ...markdownOf('docs'), ...markdownOf('plugins')]) {
      const text = readFileSync(path.join(ROOT, page), 'utf8')
      for (const [, target] of text.matchAll(/\]\(([^)#]+)\)/g)) {
        if (/^https?:/.test(target!)) continue
        assert.ok(existsSync(path.join(ROOT, path.dirname(page), target!)), `${page} links to ${target}`)
      }
    }
  })
})

function markdownOf(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true })
    .map((file) => path.join(folder, String(file)))
    .filter((file) => file.endsWith('.md'))
}
