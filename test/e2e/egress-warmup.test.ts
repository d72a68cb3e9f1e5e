import assert from 'node:assert/strict'
import { eventually } from '../support/mail-ledger'
import { MailWorld } from '../support/mail-world'
import type { SmtpSink } from '../support/smtp-sink'
import { sluice } from '../unit/cli/command'

/** A zone in which it is about noon: no test meets the end of a day. */
const ZONE = (() => {
  const hours = 12 - new Date().getUTCHours()
  // Signs of these names are the other way round.
  return `Etc/GMT${hours > 0 ? `-${hours}` : `+${-hours}`}`
})()
const FAR = 'providers: {far: {match: {mx_suffix: [far.test]}, message_rate: 1000/s}}\n'
const QUICK = `default: {message_rate: 1000/s, retry: {first: 1s, factor: 1, longest: 1s, jitter: 0%}}\n${FAR}`

describe('warm-up, end to end', function () {
  this.timeout(90_000)
  let world: MailWorld
  let far: SmtpSink

  beforeEach(async () => {
    world = await MailWorld.start()
    far = await world.domain('far.test')
  })
  afterEach(() => world.end())

  const config = (store: string, { start = 5, sources = '', pool = 'fresh', more = '' } = {}) => `store: ${store}
egress:
  sources: {fresh: {bind: 127.0.0.11, warmup: {start: ${start}}}${sources}}
  pool: ${pool}
${more}  warmup: {time_zone: ${ZONE}, spread: false}
`
  const by = (address: string) => far.messages.filter(({ client }) => client === address)

  it('lets two hosts on one Redis send a day of it together, and no more; the rest waits, and says until when', async () => {
    const redis = await world.redis()
    const options = { providers: QUICK, sluice: config(redis.url, { start: 25 }) }
    const [one, two] = [await world.server(options), await world.server(options)]
    await Promise.all([world.send(one, 40), world.send(two, 40)])
    await far.until('the quota', () => far.messages.length === 25, 20_000)
    await eventually(() => assert.match(one.log, /./), 100)
    const list = await sluice('egress', 'list', '--json', '--dir', one.dir)
    assert.equal(list.code, 0, list.stderr)
    await eventually(async () => {
      const { stdout } = await sluice('egress', 'list', '--json', '--dir', one.dir)
      const { paths } = JSON.parse(stdout) as { paths: { hold: string; waiting: { all: number } }[] }
      assert.deepEqual(
        paths.map(({ hold, waiting }) => [hold, waiting.all]),
        [['warmup', 55]],
      )
    }, 15_000)
    assert.equal(far.messages.length, 25)
  })

  it('lets what is beyond go by a warm source of the pool', async () => {
    const pool = { pool: 'both', more: '  pools: {both: {sources: [fresh, warm]}}\n' }
    const sluiceYaml = config('lmdb:data/sluice', { ...pool, sources: ', warm: {bind: 127.0.0.12}' })
    const server = await world.server({ providers: QUICK, sluice: sluiceYaml })
    await world.send(server, 60)
    await world.settled(far)
    assert.equal(by('127.0.0.11').length, 5)
    assert.equal(by('127.0.0.12').length, 55)
  })
})
