import assert from 'node:assert/strict'
import type { DeliveriesOptions } from '../../../../src/haraka/outbound/deliveries-options'

type Parts = Pick<DeliveriesOptions, 'book' | 'planner' | 'records' | 'endings' | 'store'>

/** What deliveries work with where a test says nothing else: no path and no process is full, nobody is held, nothing fails. */
export function deliveriesOptions(parts: Parts): DeliveriesOptions {
  return {
    ...parts,
    limitsOf: ({ profile }) => ({ connections: profile.connections, rate: undefined, suspendedUntil: undefined }),
    budget: { take: () => undefined, giveBack: () => assert.fail('nothing was taken') },
    mostSessionMessages: () => undefined,
    pausedBy: () => undefined,
    connections: () => ({ count: () => 0, closeIdle: () => undefined }),
    mostUnderWay: () => 100,
    splitUp: async ({ filename }) => assert.fail(`${filename} is split`),
    heldIn: () => [],
    setApart: async ({ filename }) => assert.fail(`nobody of ${filename} is held`),
    onAttempt: () => undefined,
    onFailure: (what, error) => assert.fail(`${what}: ${String(error)}`),
    onNotice: (message) => assert.fail(message),
  }
}
