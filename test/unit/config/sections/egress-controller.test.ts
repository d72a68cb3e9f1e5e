import assert from 'node:assert/strict'
import {
  CONTROLLER_DEFAULTS,
  compileController,
  controllerSchema,
} from '../../../../src/config/sections/egress-controller'

describe('the section of the egress controller', () => {
  const read = (more: object) => controllerSchema.safeParse({ ...CONTROLLER_DEFAULTS, ...more })

  it('has defaults that are valid, and in shadow', () => {
    assert.deepEqual(compileController(controllerSchema.parse(CONTROLLER_DEFAULTS)), {
      mode: { kind: 'shadow' },
      windowMs: 300_000,
      throttles: 3,
      softBounces: { share: 0.1, least: 20 },
      decrease: 0.5,
      floor: 0.001,
      recovery: { step: 0.1, everyMs: 300_000 },
      cooldownMs: 60_000,
      outage: { share: 0.9, least: 10 },
      suspend: { firstMs: 300_000, longestMs: 3_600_000 },
      trial: { messages: 3, rate: { limit: 6, windowMs: 60_000 } },
      keepMs: 7_200_000,
      breaker: { times: 4, least: 500, factor: 0.5, longestMs: 3_600_000 },
    })
    assert.equal(
      compileController(controllerSchema.parse({ ...CONTROLLER_DEFAULTS, breaker: false })).breaker,
      undefined,
    )
  })

  it('takes the modes that all sections take', () => {
    for (const mode of ['off', 'enforce', { canary: '10%' }]) assert.ok(read({ mode }).success)
    assert.ok(!read({ mode: 'on' }).success)
  })

  it('refuses figures that cannot be, at the key where they stand', () => {
    for (const [more, path] of [
      [{ floor: '0.05%' }, 'floor'],
      [{ floor: '110%' }, 'floor'],
      [{ decrease: '100%' }, 'decrease'],
      [{ throttles: 0 }, 'throttles'],
      [{ window: '100ms' }, 'window'],
      [{ keep: '9m' }, 'keep'],
      [{ keep: '2d' }, 'keep'],
      [{ cooldown: '6m' }, 'recovery.every'],
      [{ suspend: { first: '2h', longest: '1h' } }, 'suspend.longest'],
      [{ outage: { share: '5%', least: 10 } }, 'outage.share'],
      [{ trial: { messages: 3, rate: '30/h' } }, 'trial.rate'],
      [{ trial: { messages: 3, rate: '6MB/min' } }, 'trial.rate'],
      [{ soft_bounces: { share: '10%', least: 0 } }, 'soft_bounces.least'],
      [{ unheard_of: 1 }, ''],
    ] as const) {
      const { error } = read(more)
      assert.deepEqual(
        error?.issues.map(({ path }) => path.join('.')),
        [path],
        JSON.stringify(more),
      )
    }
  })
})
