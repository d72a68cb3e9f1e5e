import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { examineLists } from '../../../src/cli/doctor/dns-lists'
import { HarakaDirectory } from '../../../src/cli/haraka-directory'
import { readPolicy } from '../../../src/cli/open'
import { DnsList } from '../../support/dns-list'
import { DnsServer } from '../../support/dns-server'
import { sluice } from './command'

const KEY = 'abcdefghijklmnopqrst0123456'

describe('sluice dnsbl', () => {
  let dir: string
  let dns: DnsServer
  let list: DnsList
  let domains: DnsList

  beforeEach(async () => {
    dns = await DnsServer.start()
    list = new DnsList(dns, 'bad.test').add('7.2.0.192', '127.0.0.4')
    domains = new DnsList(dns, `${KEY}.paid.test`).add('evil.example', '127.0.1.2')
    dir = mkdtempSync(path.join(tmpdir(), 'sluice-dnsbl-'))
    mkdirSync(path.join(dir, 'config'))
    configure(`[{zone: bad.test, weight: 8}, {zone: ${KEY}.paid.test, kind: domain, weight: 3}]`)
    writeFileSync(path.join(dir, 'config/plugins'), 'sluice/plugins/dnsbl\n')
  })
  afterEach(async () => {
    rmSync(dir, { recursive: true })
    await dns.close()
  })

  function configure(zones: string): void {
    const text = `dns: {servers: ['${dns.address}'], timeout: 500ms}\nlimits: {sender_domain: false}\ndnsbl: {zones: ${zones}}\n`
    writeFileSync(path.join(dir, 'config/sluice.yaml'), text)
  }

  it('says what each list says of an address', async () => {
    const { code, stdout, stderr } = await sluice('dnsbl', 'test', '192.0.2.7', '--dir', dir)
    assert.equal(code, 0)
    assert.match(stdout, /^bad\.test +listed +127\.0\.0\.4 +8 /m)
    assert.match(stdout, /^\*\*\*\.paid\.test +not asked +lists others$/m)
    assert.match(stderr, /192\.0\.2\.7: 8 points in all; deferred from 4, refused from 8/)
    assert.doesNotMatch(stdout + stderr, new RegExp(KEY))
  })

  it('says the same of a domain, as JSON', async () => {
    const { code, stdout } = await sluice('dnsbl', 'test', 'mail.evil.example', '--dir', dir, '--json')
    assert.equal(code, 0)
    const { sum, lists } = JSON.parse(stdout) as {
      sum: number
      lists: { list: string; result: string; points: number }[]
    }
    assert.equal(sum, 3)
    assert.deepEqual(
      lists.map(({ list: name, result, points }) => [name, result, points]),
      [
        ['bad.test', 'not asked', 0],
        ['***.paid.test', 'listed', 3],
      ],
    )
  })

  it('says which list is ill, and leaves 1', async () => {
    list.mood = { refusing: '127.255.255.254' }
    domains.mood = 'dead'
    const { code, stdout } = await sluice('dnsbl', 'test', '192.0.2.7', '--dir', dir)
    assert.equal(code, 1)
    assert.match(stdout, /^bad\.test +ill .*refused: answers 127\.255\.255\.254: asked through a public resolver/m)
    assert.match(stdout, /^\*\*\*\.paid\.test +ill .*dead: no answer to a probe: timeout/m)
  })

  it('wants an address that the world sees, or a domain', async () => {
    assert.match((await sluice('dnsbl', 'test', '10.0.0.1', '--dir', dir)).stderr, /network of one's own/)
    const wrong = await sluice('dnsbl', 'test', 'nonsense', '--dir', dir)
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /neither an IP address nor a domain/)
  })

  it('says that there is no list', async () => {
    configure('[]')
    const { code, stderr } = await sluice('dnsbl', 'test', '192.0.2.7', '--dir', dir)
    assert.equal(code, 0)
    assert.match(stderr, /No list is configured/)
  })

  describe('the doctor', () => {
    const examine = () => examineLists(readPolicy(dir), new HarakaDirectory(dir))

    it('finds lists that are well', async () => {
      assert.deepEqual(
        (await examine()).map(({ level, what }) => [level, what]),
        [['ok', '2 lists answer as they must']],
      )
    })

    it('says what is wrong with others, and what to do', async () => {
      list.mood = { refusing: '127.255.255.254' }
      domains.mood = 'lying'
      const [refused, lying] = await examine()
      assert.match(refused!.what, /^bad\.test is refused: .*public resolver/)
      assert.match(refused!.mend!, /dns\.servers to a resolver of your own/)
      assert.match(lying!.what, /^\*\*\*\.paid\.test is lying: lists INVALID/)
      assert.match(lying!.mend!, /remove it/)
    })

    it('wonders about a plugin without lists, and asks nothing for a plugin that is not listed', async () => {
      configure('[]')
      assert.match((await examine())[0]!.what, /no DNS list is asked yet/)
      writeFileSync(path.join(dir, 'config/plugins'), 'relay\n')
      assert.deepEqual(await examine(), [])
      assert.deepEqual(dns.questions, [])
    })
  })
})
