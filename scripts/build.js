'use strict'
// Compiles plugins/ and src/ into dist/, and copies the Lua scripts beside the code that loads them.

const { spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const DIST = path.join(ROOT, 'dist')
/** Holds the digest of the sources that dist was made from: times of files say little after a checkout. */
const STAMP = path.join(DIST, 'sources.sha256')

/** A packed install has dist only. */
function hasSources() {
  return (
    fs.existsSync(path.join(ROOT, 'src', 'cli', 'main.ts')) && fs.existsSync(path.join(ROOT, 'tsconfig.build.json'))
  )
}

function filesUnder(folder) {
  return fs
    .readdirSync(path.join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
    .sort()
}

function digestOfSources() {
  const sources = [...filesUnder('src'), ...filesUnder('plugins')].filter((file) => /\.(ts|lua)$/.test(file))
  const hash = createHash('sha256')
  for (const file of ['tsconfig.json', 'tsconfig.build.json', 'scripts/build.js', ...sources]) {
    hash
      .update(`${file}\0`)
      .update(fs.readFileSync(path.join(ROOT, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

/** True when dist was made from the sources as they are now. */
function isBuilt() {
  return fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === digestOfSources()
}

/** Throws an Error with one line for the user; the compiler has then said why on stderr. */
function build() {
  const digest = digestOfSources()
  // Beside node_modules' own files: on the same disk, and ignored by every tool. A running server keeps its dist
  // until the new one is complete.
  const fresh = fs.mkdtempSync(path.join(ROOT, 'node_modules', '.sluice-build-'))
  try {
    const tsc = path.join(path.dirname(require.resolve('typescript/package.json', { paths: [ROOT] })), 'bin', 'tsc')
    const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], {
      cwd: ROOT,
      stdio: ['ignore', 2, 2],
    })
    if (status !== 0) throw new Error('the sources do not compile, see above')
    for (const file of filesUnder('src').filter((name) => name.endsWith('.lua'))) {
      fs.mkdirSync(path.dirname(path.join(fresh, file)), { recursive: true })
      fs.copyFileSync(path.join(ROOT, file), path.join(fresh, file))
    }
    fs.writeFileSync(path.join(fresh, path.basename(STAMP)), digest)
    fs.chmodSync(fresh, 0o755)
    replaceDist(fresh)
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true })
  }
}

function replaceDist(fresh) {
  const old = fs.mkdtempSync(path.join(ROOT, 'node_modules', '.sluice-build-'))
  if (fs.existsSync(DIST)) fs.renameSync(DIST, path.join(old, 'dist'))
  fs.renameSync(fresh, DIST)
  fs.rmSync(old, { recursive: true, force: true })
}

module.exports = { hasSources, isBuilt, build }

if (require.main === module) {
  try {
    build()
  } catch (error) {
    console.error(`build: ${error.message}`)
    process.exitCode = 1
  }
}
