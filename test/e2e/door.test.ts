import assert from 'node:assert/strict'
import path from 'node:path'
import type { DoorReport } from '../support/door-scene'
import { inOwnNetwork } from '../support/own-network'

const SCENE = path.resolve(__dirname, '../support/door-scene.ts')
const GREETED = /^220 .*\r\n221 .*\r\n$/
const REFUSED = /^421 4\.7\.0 Your address is banned, try again in .* \(sluice ban (\w{7})\)\r\n$/

describe('the door, end to end', function () {
  this.timeout(90_000)
  let report: DoorReport
  before(async () => {
    report = (await inOwnNetwork(SCENE, 60_000)) as DoorReport
  })

  it('turns the banned away with one line, before Haraka makes a session of them', () => {
    const { heard, log } = report
    assert.match(heard.before!, GREETED)
    for (const who of ['banned', 'again', 'neighbour']) assert.match(heard[who]!, REFUSED, who)
    assert.equal(log.match(/\[core\] connect ip=198\.18\.66\.6 /g)?.length, 2, 'before the ban and after it')
    assert.doesNotMatch(log, /\[core\] connect ip=198\.18\.66\.7 /)
    assert.equal(
      log.match(/action=defer rule=ban mode=enforce stage=connect .*ip=198\.18\.66\.[67] /g)?.length,
      2,
      'each once',
    )
    assert.match(heard.good!, GREETED)
  })

  it('asks no store about them', () => {
    assert.equal(report.storeTrips, 0)
  })

  it('turns away who has just earned a ban', () => {
    assert.match(
      report.heard.thief!,
      /^220 [^]*\r\n421 4\.7\.0 Your address is banned, try again in .* \(sluice ban \w{7}\)\r\n$/,
    )
    assert.match(report.heard.thiefAgain!, REFUSED)
  })

  it('lets in who is banned no longer', () => {
    assert.match(report.heard.pardoned!, GREETED)
  })

  it('records a client once a minute, by a reference that all its refusals have', () => {
    const { heard, decisions } = report
    const [first, second] = [heard.banned, heard.again].map((text) => REFUSED.exec(text!)?.[1])
    assert.equal(first, second)
    const refused = decisions.split('\n').filter((line) => line.includes(`"ref":"${first}"`))
    assert.deepEqual(
      refused.map((line) => (JSON.parse(line) as { ip: string }).ip),
      ['198.18.66.6', '198.18.66.7'],
    )
  })
})
