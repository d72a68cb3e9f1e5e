'use strict'
// `npm start [-- DIR]`: makes the clone ready, then does what `sluice run DIR` does, by default on this repository.

const path = require('node:path')
const { ready } = require('./ready')

function main() {
  try {
    ready((line) => console.error(`sluice: ${line}`))
  } catch (error) {
    console.error(`sluice: ${error.message}`)
    process.exitCode = 1
    return
  }
  const operands = process.argv.slice(2)
  const args = operands.length > 0 ? operands : [path.join(__dirname, '..')]
  require('../dist/src/cli/main.js')
    .main(['run', ...args])
    .then((code) => {
      process.exitCode = code
    })
}

main()
