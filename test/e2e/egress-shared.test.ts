import assert from 'node:assert/strict'
import { MailWorld } from '../support/mail-world'

const RATE = 20

describe('limits of a path, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  const providers = `providers: {far: {match: {mx_suffix: [far.test]}, message_rate: ${RATE}/s, connections: 3}}\n`

  /**
   * Slots lie exactly apart; when a message is taken depends on how busy the machine is too. So in any three seconds no more
   * than so many, and those that are late by a seventh of a second.
   */
  function assertRate(times: readonly number[]): void {
    const sorted = [...times].sort((a, b) => a - b)
    const most = 3 * RATE + 3
    for (let index = most; index < sorted.length; index++) {
      const ms = sorted[index]! - sorted[index - most]!
      assert.ok(ms >= 3000, `${most + 1} messages in ${ms} ms`)
    }
    const rate = ((sorted.length - 1) * 1000) / (sorted.at(-1)! - sorted[0]!)
    assert.ok(rate > RATE * 0.95, `only ${rate} a second`)
  }

  it('hold for two workers on the embedded store together', async () => {
    const far = await world.domain('far.test', { replyMs: 2 })
    const server = await world.server({ providers, nodes: 2, sluice: 'store: lmdb:data/sluice\n' })
    // Connections go to both workers.
    for (let turn = 0; turn < 10; turn++) await world.send(server, 12)
    await far.until('all', () => far.messages.length === 120, 30_000)
    assertRate(far.messages.map(({ at }) => at))
    assert.ok(far.mostOpen <= 3, `${far.mostOpen} connections`)
    await world.settled(far)
  })

  it('hold for two hosts on one Redis together', async () => {
    const redis = await world.redis()
    const far = await world.domain('far.test', { replyMs: 2 })
    const sluice = `store: ${redis.url}\n`
    const [one, two] = [await world.server({ providers, sluice }), await world.server({ providers, sluice })]
    await Promise.all([world.send(one, 60), world.send(two, 60)])
    await far.until('all', () => far.messages.length === 120, 30_000)
    assertRate(far.messages.map(({ at }) => at))
    assert.ok(far.mostOpen <= 3, `${far.mostOpen} connections`)
    await world.settled(far)
  })

  it('are shared fairly: a long backlog of one host keeps no other waiting', async () => {
    const redis = await world.redis()
    const far = await world.domain('far.test', { replyMs: 10 })
    const sluice = `store: ${redis.url}\n`
    const single =
      'default: {message_rate: 1000/s}\nproviders: {far: {match: {mx_suffix: [far.test]}, connections: 1}}\n'
    const both = { providers: single, sluice }
    const [one, two] = [await world.server(both), await world.server(both)]
    await world.send(one, 150)
    const began = far.messages.length
    const late = await world.send(two, 20)
    const isLate = ({ id }: { id: string }) => late.includes(id)
    await far.until('those of the second', () => far.messages.filter(isLate).length === 20, 60_000)
    const meanwhile = far.messages.length - began - 20
    assert.ok(meanwhile < 100, `${meanwhile} of the first went before 20 of the second`)
    assert.equal(far.mostOpen, 1)
    await far.until('all', () => far.messages.length === 170, 60_000)
    await world.settled(far)
  })
})
