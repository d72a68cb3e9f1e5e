import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { SessionPolicy } from '../../../../src/haraka/outbound/demands'
import { reuseSessions } from '../../../../src/haraka/outbound/install'
import { type Holding, holdingDifferences } from '../../../../src/haraka/outbound/shapes'
import { knowsOutbound } from '../../../../src/haraka/outbound/wiring'
import type { HarakaPlugin } from '../../../../src/haraka/types'
import { DEMANDS } from './fixtures'

const POLICY: SessionPolicy = {
  demandsOf: () => DEMANDS,
  attemptOf: () => undefined,
  mayConnect: () => undefined,
  changed: () => undefined,
}

describe('session reuse in a Haraka that is not as expected', () => {
  function install(modules: Record<string, unknown>): { installed: boolean; warnings: string[] } {
    const warnings: string[] = []
    const plugin = {
      haraka_require: (name: string) => {
        if (!(name in modules)) throw new Error(`Cannot find module ${name}`)
        return modules[name]
      },
      loginfo: () => undefined,
      logwarn: (message: string) => warnings.push(message),
    } as unknown as HarakaPlugin
    return { installed: reuseSessions(plugin, POLICY) !== undefined, warnings }
  }

  it('is off when a module is missing', () => {
    const { installed, warnings } = install({})
    assert.equal(installed, false)
    assert.match(warnings.join(), /^outbound sessions are not reused, .*Cannot find module outbound\/hmail$/)
  })

  it('is off when functions differ, which stay as they are', () => {
    const get_client = (_mx: unknown) => undefined
    const clientPool = { get_client, release_client: (_socket: unknown, _mx: unknown) => undefined }
    class HMailItem {
      get_force_tls(_mx: unknown) {
        return false
      }
      try_deliver() {
        return undefined
      }
    }
    const { installed, warnings } = install({
      'outbound/client_pool': clientPool,
      'outbound/hmail': HMailItem,
      tls_socket: { connect: (_options = {}) => undefined },
    })
    assert.equal(installed, false)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /client_pool\.get_client takes 1 arguments, not 2/)
    assert.match(warnings[0]!, /HMailItem\.try_deliver does not say client_pool\.get_client/)
    assert.match(warnings[0]!, /HMailItem\.try_deliver_host_on_socket is no function/)
    assert.equal(clientPool.get_client, get_client)
  })
})

describe('holding mail in a Haraka that is not as expected', () => {
  const haraka = (name: string): unknown => createRequire(require.resolve('haraka/package.json'))(`./${name}`)
  const modules = () => ({
    hmail: (haraka('outbound/hmail') as { prototype: Record<string, unknown> }).prototype,
    queue: haraka('outbound/queue') as Holding['queue'],
    writer: { ...(haraka('outbound') as object), names: haraka('outbound/qfile') } as Holding['writer'],
    config: haraka('outbound/config') as Holding['config'],
  })

  it('is done where all is as it was', () => assert.deepEqual(holdingDifferences(modules()), []))

  it('is off when something is gone, or other than it was', () => {
    const { hmail, queue, writer } = modules()
    assert.ok(holdingDifferences({}).length > 10)
    const changed = Object.create(hmail) as Record<string, unknown>
    changed.discard = function () {
      return undefined
    }
    changed.get_mx_respond = undefined
    const config = { cfg: { temp_fail_intervals: '5m' } }
    assert.deepEqual(holdingDifferences({ hmail: changed, queue, writer, config }), [
      'HMailItem.get_mx_respond is no function',
      'HMailItem.discard does not say this.refcount--',
      'HMailItem.discard does not say this.next_cb()',
      'config.cfg.temp_fail_intervals is no list',
    ])
  })

  it('leaves mail to Haraka, and says so', () => {
    const warnings: string[] = []
    const plugin = {
      haraka_require: () => ({ prototype: {} }),
      logwarn: (message: string) => warnings.push(message),
    } as unknown as HarakaPlugin
    assert.equal(knowsOutbound(plugin), false)
    assert.match(
      warnings.join(),
      /^mail goes out as Haraka sends it, without rates and limits: HMailItem\.send_email_respond/,
    )
  })
})
