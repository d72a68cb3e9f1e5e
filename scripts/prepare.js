'use strict'
// npm calls this after `npm ci` in a clone and before `npm pack`; start and test call it for `npm ci --ignore-scripts`.

const fs = require('node:fs')
const path = require('node:path')
const { build, hasSources, isBuilt } = require('./build')

const ROOT = path.join(__dirname, '..')

/**
 * Haraka looks for `sluice/plugins/NAME` in node_modules/haraka-plugin-sluice. The link makes this repository its own
 * installed package, so that its config/plugins holds the very lines that every user writes; the second link is what
 * npm makes for the `bin` of an installed package.
 */
function link() {
  linkTo(path.join(ROOT, 'node_modules', 'haraka-plugin-sluice'), '..')
  linkTo(path.join(ROOT, 'node_modules', '.bin', 'sluice'), path.join('..', 'haraka-plugin-sluice', 'bin', 'sluice.js'))
}

function linkTo(place, target) {
  try {
    if (fs.readlinkSync(place) === target) return
  } catch (error) {
    // ENOENT: nothing there. EINVAL: something that is no link.
    if (error.code !== 'ENOENT' && error.code !== 'EINVAL') throw error
  }
  fs.mkdirSync(path.dirname(place), { recursive: true })
  fs.rmSync(place, { recursive: true, force: true })
  fs.symlinkSync(target, place)
}

/** Builds when dist is out of date and makes the links. Needs node_modules; does nothing in a packed install. */
function prepare(say = () => {}) {
  if (!hasSources()) return
  if (!isBuilt()) {
    say('building')
    build()
  }
  link()
}

module.exports = { prepare }

if (require.main === module) {
  try {
    prepare()
  } catch (error) {
    console.error(`prepare: ${error.message}`)
    process.exitCode = 1
  }
}
