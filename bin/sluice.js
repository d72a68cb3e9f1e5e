#!/usr/bin/env node
'use strict'

const fs = require('node:fs')
const path = require('node:path')

const MAIN = path.join(__dirname, '..', 'dist', 'src', 'cli', 'main.js')

if (fs.existsSync(MAIN)) {
  require(MAIN)
    .main(process.argv.slice(2))
    .then((code) => {
      process.exitCode = code
    })
} else {
  console.error('sluice: this copy is not built: run "npm ci" and "npm run build" in its folder')
  process.exitCode = 1
}
