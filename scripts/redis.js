'use strict'
// The tests start a redis-server of their own, on a port of their own. This makes sure that the program is there.

const { ensureDebian } = require('./debian')

/** Throws an Error with one line that says what to install. */
function ensureRedis(say) {
  try {
    ensureDebian(['redis-server'], say)
  } catch (error) {
    throw new Error(`${error.message} (macOS: brew install redis)`, { cause: error })
  }
}

module.exports = { ensureRedis }
