'use strict'
// A bench holds Sluice against Postfix's client. This makes sure that the program is there; the bench runs it with a
// configuration and a queue of its own.

const { spawnSync } = require('node:child_process')
const { ensureDebian } = require('./debian')

/** Throws an Error with one line that says what to install. */
function ensurePostfix(say) {
  // Without an answer Debian would write a configuration under which this host takes mail.
  spawnSync('debconf-set-selections', { input: 'postfix postfix/main_mailer_type select No configuration\n' })
  ensureDebian(['postfix'], say)
}

module.exports = { ensurePostfix }
