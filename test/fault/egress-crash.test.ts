import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { assertAtRest, eventually, fates, placesHeld } from '../support/mail-ledger'
import { MailWorld, taken } from '../support/mail-world'

const PROVIDERS =
  'default: {message_rate: 1000/s, connections: 4, sessions: {idle: 1s}, retry: {first: 1s, longest: 1s}}\n'
const STORE = 'store: lmdb:data/sluice\n'

describe('mail on its way out when its process is killed', function () {
  this.timeout(100_000)
  let world: MailWorld

  beforeEach(async () => {
    world = await MailWorld.start()
  })
  afterEach(() => world.end())

  const workersOf = (pid: number) =>
    execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number)

  it('is sent by those that come after, at most as often again as it was on its way, and its places are free in time', async () => {
    let isSlow = true
    const misdeed = (verb: string) => (verb === 'DOT' && isSlow ? ('hang' as const) : undefined)
    const far = await world.domain('far.test', { misdeed })
    const wide = await world.domain('wide.test', { misdeed })
    const alone = await world.server({ providers: PROVIDERS, sluice: STORE })
    const workers = await world.server({ providers: PROVIDERS, sluice: STORE, nodes: 2 })
    const first = await world.send(alone, 10)
    const second: string[] = []
    for (let turn = 0; turn < 10; turn++) second.push(...(await world.send(workers, 1, { to: ['bob@wide.test'] })))
    for (const sink of [far, wide]) await sink.until('all connections', () => sink.open === 4)
    // A store that one process alone has open is written each second.
    const held = { 'egress_place|egress|default|mx.far.test': 4 }
    await eventually(async () => assert.deepEqual(await placesHeld(`lmdb:${alone.dir}/data/sluice`), held))
    const began = Date.now()
    await alone.stop('SIGKILL')
    for (const pid of workersOf(workers.child.pid!)) process.kill(pid, 'SIGKILL')
    isSlow = false
    for (const sink of [far, wide]) await sink.until('none', () => sink.open === 0)
    const again = await world.server({ providers: PROVIDERS, sluice: STORE, dir: alone.dir })
    assert.deepEqual(await placesHeld(`lmdb:${alone.dir}/data/sluice`), held)
    for (const [sink, ids] of [
      [far, first],
      [wide, second],
    ] as const) {
      await sink.until('all', () => sink.messages.length >= ids.length, 80_000)
      assert.ok(Date.now() - began > 12_000, 'places of the dead were taken before their time')
      assert.deepEqual([...new Set(taken(sink))], [...ids].sort())
      assert.ok(sink.messages.length <= ids.length + 4, `${sink.messages.length} messages`)
      assert.ok(sink.mostOpen <= 4, `${sink.mostOpen} connections`)
    }
    for (const server of [again, workers]) {
      await world.emptied(server)
      await assertAtRest(world, [server], `lmdb:${server.dir}/data/sluice`)
    }
    await world.send(workers, 3)
    await far.until('three more', () => far.messages.length >= 13)
  })

  it('is sent at once where places are left, and what was taken without an answer comes once more', async () => {
    let isCruel = true
    const far = await world.domain('far.test', {
      misdeed: (verb) => {
        if (verb === 'DOT' && isCruel && far.messages.length === 6) {
          isCruel = false
          process.kill(server.child.pid!, 'SIGKILL')
          return 'lose'
        }
        return undefined
      },
    })
    const providers = PROVIDERS.replace('connections: 4', 'connections: 2')
    const server = await world.server({ providers, sluice: 'store: memory\n' })
    await world.send(server, 5)
    await far.until('the first', () => far.messages.length === 5)
    await Promise.allSettled([world.send(server, 1)])
    await eventually(() => assert.equal(isCruel, false))
    const again = await world.server({ providers, sluice: 'store: memory\n', dir: server.dir })
    await far.until('it again', () => far.messages.length === 7)
    await world.emptied(again)
    assert.deepEqual(
      fates(world, [again]),
      ['1/0/0', '1/0/0', '1/0/0', '1/0/0', '1/0/0', '2/0/0'].slice(0, world.posted.length),
    )
  })
})
