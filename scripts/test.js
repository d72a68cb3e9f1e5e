'use strict'
// `npm test [-- GROUP …]`: everything from a bare clone: install, build, Redis, lint, types, then each group of tests.
// Stops at the first step that fails. The last line is "N passed, N failed".

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { ready } = require('./ready')
const { ensureDebian } = require('./debian')
const { ensureRedis } = require('./redis')

const ROOT = path.join(__dirname, '..')
const MOCHA_GROUPS = ['unit', 'property', 'contract', 'plugins', 'fault', 'e2e']
const STEPS = ['lint', 'types', ...MOCHA_GROUPS]
const WITHOUT_REDIS = ['lint', 'types', 'unit']

const counts = { passed: 0, failed: 0 }

function main(wanted) {
  const strange = wanted.find((name) => !STEPS.includes(name))
  if (strange !== undefined) {
    console.error(`test: no group "${strange}": ${STEPS.join(', ')}`)
    return 2
  }
  const steps = wanted.length > 0 ? STEPS.filter((name) => wanted.includes(name)) : STEPS
  try {
    ready((line) => console.log(`== ${line}`))
    const say = (line) => console.log(`== ${line}`)
    if (steps.some((name) => !WITHOUT_REDIS.includes(name))) ensureRedis(say)
    if (steps.includes('fault')) ensureDebian(['faketime'], say)
    if (steps.includes('e2e')) ensureDebian(['fail2ban', 'nftables', 'curl', 'iproute2'], say)
  } catch (error) {
    console.error(`test: ${error.message}`)
    counts.failed++
    return report()
  }
  for (const name of steps) if (!runStep(name)) break
  return report()
}

function report() {
  console.log(`${counts.passed} passed, ${counts.failed} failed`)
  return counts.failed === 0 ? 0 : 1
}

function runStep(name) {
  console.log(`== ${name}`)
  const startedAt = Date.now()
  const failedBefore = counts.failed
  if (name === 'lint') run('eslint', '.') && run('prettier', '--check', '.', '--log-level', 'warn')
  else if (name === 'types') run('typescript/tsc', '--noEmit')
  else runMocha(name)
  const fine = counts.failed === failedBefore
  console.log(`== ${name}: ${fine ? 'ok' : 'FAILED'} in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
  return fine
}

/** Runs a tool of node_modules, `package` or `package/bin`. A failure counts as one. */
function run(tool, ...args) {
  const { status, signal } = spawnTool(tool, args, {})
  if (status === 0) return true
  if (signal) console.error(`test: ${tool} was ended by ${signal}`)
  counts.failed++
  return false
}

function runMocha(group) {
  const files = testsOf(group)
  if (files.length === 0) {
    console.log('no tests')
    return
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-test-'))
  try {
    const out = path.join(folder, 'counts.json')
    const reporter = path.join(__dirname, 'counting-reporter.js')
    const { status } = spawnTool('mocha', ['--reporter', reporter, ...files], { SLUICE_TEST_COUNTS: out })
    const { passes, failures } = fs.existsSync(out)
      ? JSON.parse(fs.readFileSync(out, 'utf8'))
      : { passes: 0, failures: 0 }
    counts.passed += passes
    // Mocha that dies before or after its tests is a failure too.
    counts.failed += failures === 0 && status !== 0 ? 1 : failures
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

function testsOf(group) {
  const folder = path.join(ROOT, 'test', group)
  if (!fs.existsSync(folder)) return []
  return fs
    .readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.join('test', group, file))
    .sort()
}

function spawnTool(tool, args, env) {
  const [name, bin = name] = tool.split('/')
  const manifest = path.join(ROOT, 'node_modules', name, 'package.json')
  const { bin: bins } = JSON.parse(fs.readFileSync(manifest, 'utf8'))
  const script = path.join(path.dirname(manifest), typeof bins === 'string' ? bins : bins[bin])
  return spawnSync(process.execPath, [script, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
}

process.exitCode = main(process.argv.slice(2))
