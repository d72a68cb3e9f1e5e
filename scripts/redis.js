'use strict'
// The tests start a redis-server of their own, on a port of their own. This makes sure that the program is there.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** Debian's maintainer scripts ask this program whether they may start a service; 101 says no. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Throws an Error with one line that says what to install. */
function ensureRedis(say) {
  if (hasProgram('redis-server')) return
  if (process.getuid?.() === 0 && hasProgram('apt-get')) {
    say('installing redis-server')
    installWithoutStarting()
    if (hasProgram('redis-server')) return
  }
  throw new Error(
    'redis-server is missing: install it (Debian: apt-get install redis-server; macOS: brew install redis)',
  )
}

function installWithoutStarting() {
  const mine = !fs.existsSync(POLICY)
  if (mine) fs.writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    apt('update')
    apt('install', '-y', '--no-install-recommends', 'redis-server')
  } finally {
    if (mine) fs.rmSync(POLICY, { force: true })
  }
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  spawnSync('apt-get', ['-q', ...args], { stdio: ['ignore', 2, 2], env })
}

function hasProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin']
  return folders.some((folder) => folder !== '' && fs.existsSync(path.join(folder, name)))
}

module.exports = { ensureRedis }
