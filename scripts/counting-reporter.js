'use strict'
// Mocha's own "spec" output, and the counts as JSON in the file that SLUICE_TEST_COUNTS names.

const fs = require('node:fs')
const { reporters } = require('mocha')

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once('end', () => {
      const { passes, failures } = this.stats
      if (process.env.SLUICE_TEST_COUNTS) {
        fs.writeFileSync(process.env.SLUICE_TEST_COUNTS, JSON.stringify({ passes, failures }))
      }
    })
  }
}
