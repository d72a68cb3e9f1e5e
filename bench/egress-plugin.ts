/**
 * A plugin of Haraka for the egress benches. It says where mail goes (config/bench_hosts.json, domain to port), and answers
 * its parent on a socket, a line of JSON for a line of JSON:
 * `started` is answered when Haraka has looked into its queue; `load` reads the queue files due since then and holds the messages in memory, as Haraka has them right after it has taken
 * them; `go` hands them to Haraka's delivery queue; `progress` says how far it is, `figures` what the process needs.
 */
export const BENCH_PLUGIN = `'use strict'
const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const { runInThisContext } = require('node:vm')

const RESOLUTION_MS = 10
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
let hosts = {}
let held = []
let handedOver = 0

exports.register = function () {
  hosts = this.config.get('bench_hosts.json')
  loop.enable()
  const { delivery_queue, queue_dir } = this.haraka_require('outbound/queue')
  const HMailItem = this.haraka_require('outbound/hmail')
  const outbound = this.haraka_require('outbound')
  const init = outbound.init_queue
  const started = new Promise((resolve, reject) => {
    outbound.init_queue = (pid) => init(pid).then(resolve, reject)
  })
  const orders = {
    started: () => started,
    load: async ({ since }) => {
      const files = fs.readdirSync(queue_dir).filter((file) => parseInt(file) >= since).sort()
      for (let at = 0; at < files.length; at += 50) {
        held.push(...(await Promise.all(files.slice(at, at + 50).map((file) => read(HMailItem, path.join(queue_dir, file))))))
      }
      return held.length
    },
    go: () => {
      for (const item of held.splice(0)) delivery_queue.push(item)
    },
    progress: () => ({ handedOver, queued: delivery_queue.length() }),
    figures: () => figures(),
  }
  const where = path.join(queue_dir, '..', 'bench.sock')
  fs.rmSync(where, { force: true })
  net.createServer((socket) => serve(socket, orders)).listen(where)
}

// Counts what Haraka hands to the hooks of send_email.
exports.hook_send_email = (next) => {
  handedOver++
  next()
}

exports.hook_get_mx = (next, hmail, domain) => next(OK, { exchange: '127.0.0.1', port: hosts[domain], priority: 0 })

function read(HMailItem, file) {
  return new Promise((resolve) => {
    const item = new HMailItem(path.basename(file), file)
    item.once('ready', () => resolve(item))
  })
}

function serve(socket, orders) {
  socket.on('data', async (bytes) => {
    const order = JSON.parse(bytes)
    const answer = await orders[order.op](order)
    socket.write(JSON.stringify(answer ?? null) + '\\n')
  })
  socket.on('error', () => {})
}

function figures() {
  const late = (percent) => Math.max(0, loop.percentile(percent) / 1e6 - RESOLUTION_MS)
  const answer = { p50: late(50), p99: late(99), longest: late(100) }
  // A plugin has globals of its own.
  runInThisContext('globalThis.gc?.()')
  const { user, system } = process.cpuUsage()
  const { heapUsed, rss } = process.memoryUsage()
  setImmediate(() => loop.reset())
  return { ...answer, heapUsed, rss, cpuSeconds: (user + system) / 1e6 }
}
`
