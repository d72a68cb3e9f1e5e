'use strict'
// Some tests run other people's programs. This makes sure that they are there, from Debian's packages.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/** Debian's maintainer scripts ask this program whether they may start a service; 101 says no. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Packages, and a program of each. */
const PROGRAMS = {
  'redis-server': 'redis-server',
  fail2ban: 'fail2ban-server',
  nftables: 'nft',
  curl: 'curl',
  iproute2: 'ip',
  faketime: 'faketime',
  postfix: 'postfix',
}

/** Installs those that are missing, if it may. Throws an Error with one line that says what to install. */
function ensureDebian(packages, say) {
  const missing = packages.filter(isMissing)
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && hasProgram('apt-get')) {
    say(`installing ${missing.join(', ')}`)
    installWithoutStarting(missing)
  }
  const still = missing.filter(isMissing)
  if (still.length === 0) return
  throw new Error(`missing: ${still.join(', ')}; install with: apt-get install ${still.join(' ')}`)
}

function isMissing(name) {
  return !hasProgram(PROGRAMS[name])
}

function installWithoutStarting(packages) {
  const mine = !fs.existsSync(POLICY)
  if (mine) fs.writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    apt('update')
    apt('install', '-y', '--no-install-recommends', ...packages)
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

module.exports = { ensureDebian }
