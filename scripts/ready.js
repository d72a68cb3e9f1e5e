'use strict'
// Makes a bare clone ready to run: the right Node, dependencies, build. Runs before anything is installed, so it
// needs nothing but Node and npm.

const { spawnSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')

const ROOT = path.join(__dirname, '..')
const MODULES = path.join(ROOT, 'node_modules')
const LOCK = path.join(ROOT, 'package-lock.json')
/** Digest of the lock file that was installed as well as npm could, see {@link install}. */
const INSTALLED = path.join(MODULES, '.sluice-installed')

/** Installs and builds what is missing. Throws an Error with one line for the user. */
function ready(say) {
  checkNode()
  checkWritable()
  if (!isInstalled()) {
    say('installing dependencies (npm ci)')
    install(say)
  }
  require('./prepare').prepare(say)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
  if (!fits) throw new Error(`Node ${process.versions.node} is too old: install Node 20.19, 22.12 or later`)
}

function checkWritable() {
  try {
    fs.accessSync(ROOT, fs.constants.W_OK)
  } catch {
    throw new Error(`${ROOT} is not writable for this user: clone into a folder of your own`)
  }
}

/** True when every package of the lock file that this platform needs is there in its version. */
function isInstalled() {
  if (read(INSTALLED) === digestOfLock()) return true
  const have = read(path.join(MODULES, '.package-lock.json'))
  if (have === undefined) return false
  const installed = JSON.parse(have).packages
  return Object.entries(JSON.parse(fs.readFileSync(LOCK, 'utf8')).packages).every(
    // npm leaves out optional packages that are for other platforms.
    ([place, { version, optional }]) => place === '' || optional || installed[place]?.version === version,
  )
}

function install(say) {
  // Development packages too, whatever NODE_ENV says: Haraka and the compiler are among them.
  if (npm('ci', '--include=dev')) return
  say('npm ci failed: trying npm install with what package.json allows')
  if (!npm('install', '--include=dev', '--no-package-lock')) throw new Error('npm could not install, see above')
  fs.writeFileSync(INSTALLED, digestOfLock())
}

function npm(...args) {
  // Within `npm start` this is the very npm that was called.
  const script = process.env.npm_execpath
  const [command, first] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []]
  return spawnSync(command, [...first, ...args], { cwd: ROOT, stdio: ['ignore', 2, 2] }).status === 0
}

function digestOfLock() {
  return createHash('sha256').update(fs.readFileSync(LOCK)).digest('hex')
}

function read(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

module.exports = { ready, checkNode }
