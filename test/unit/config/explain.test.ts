import assert from 'node:assert/strict'
import { parse } from 'yaml'
import { type Explanation, explainAsYaml, explainPolicy } from '../../../src/config/explain'
import { CONFIG_KEYS, type JsonSchema, configJsonSchema, keysAt } from '../../../src/config/json-schema'
import { type LoadedPolicy, loadPolicy } from '../../../src/config/load'
import { TestDirectory } from './fixtures'

const YAML = `mode: {canary: 10%}
store: redis://user:p@ss:w0rd@redis.example.com:6379/0
limits:
  sender:
    limit: 9/min
    overrides: {example.com: exempt}
  client: false
`

describe('explaining the configuration', () => {
  let directory: TestDirectory
  let loaded: LoadedPolicy
  let explained: Explanation

  before(() => {
    directory = new TestDirectory(YAML)
    directory.write('config/sluice/large-senders.map', 'example.com 5/min\nexample.net 5/min\n')
    const result = loadPolicy(directory.path)
    assert.ok('policy' in result)
    loaded = result
    explained = explainPolicy(loaded)
  })
  after(() => directory.remove())

  it('names the origin of each value', () => {
    const { origins } = explained
    assert.equal(origins['mode'], 'config/sluice.yaml:1')
    assert.equal(origins['limits.sender.limit'], 'config/sluice.yaml:5')
    assert.equal(origins['limits.sender.overrides."example.com"'], 'config/sluice.yaml:6')
    assert.equal(origins['limits.client'], 'config/sluice.yaml:7')
    assert.equal(origins['limits.sender.per'], 'default')
    assert.equal(origins['trusted'], 'default')
  })

  it('says what holds where a rule says nothing', () => {
    const { sender } = explained.config.limits as Record<string, Record<string, unknown>>
    assert.deepEqual(sender!.mode, { canary: '10%' })
    assert.equal(explained.origins['limits.sender.mode'], 'the mode at the top')
    assert.equal(sender!.answer, 'defer')
    assert.deepEqual(sender!.exempt, ['trusted'])
    assert.deepEqual((explained.config.session as Record<string, unknown>).mode, { canary: '10%' })
  })

  it('counts the entries of maps', () => {
    const map = { file: 'config/sluice/large-senders.map', entries: 2 }
    assert.deepEqual(explained.maps, { sender_domain: map, new_sender: map })
  })

  it('never shows the key of a list that own addresses are looked up on', () => {
    const zone = 'abcdefghijklmnopqrstuvwxyz.zen.dq.example.net'
    const own = new TestDirectory(`automation: {own_addresses: {lists: [{zone: ${zone}}]}}\n`)
    const result = loadPolicy(own.path)
    own.remove()
    assert.ok('policy' in result)
    assert.doesNotMatch(explainAsYaml(result), /abcdefgh/)
    assert.match(explainAsYaml(result), /zen\.dq\.example\.net/)
  })

  it('never shows a password', () => {
    for (const text of [JSON.stringify(explained), explainAsYaml(loaded)])
      assert.doesNotMatch(text, /ss:w0rd|p@ss|user:/)
    assert.equal(explained.config.store, 'redis://:***@redis.example.com:6379/0')
    const long = new TestDirectory('store: {at: "unix:/run/redis.sock?db=1&password=hunter2"}\n')
    const result = loadPolicy(long.path)
    long.remove()
    assert.ok('policy' in result)
    assert.doesNotMatch(explainAsYaml(result), /hunter2/)
  })

  it('prints YAML that means the same, an origin at each value', () => {
    const text = explainAsYaml(loaded)
    assert.deepEqual(parse(text), explained.config)
    assert.match(text, /^mode: \{canary: 10%\} # config\/sluice\.yaml:1$/m)
    assert.match(text, /^ {4}limit: 9\/min # config\/sluice\.yaml:5$/m)
    assert.match(text, /overrides_file: .* # default; 2 entries in config\/sluice\/large-senders\.map$/m)
    const bare = text.split('\n').filter((line) => line !== '' && !line.endsWith(':') && !line.includes(' # '))
    assert.deepEqual(bare, [])
  })
})

describe('JSON Schema', () => {
  const schema = configJsonSchema()

  /** Every schema that describes a key, with its path. */
  function* keysOf(part: JsonSchema, path: string): Generator<[string, JsonSchema]> {
    for (const [key, inner] of Object.entries(part.properties ?? {})) {
      yield [`${path}.${key}`, inner]
      yield* keysOf(inner, `${path}.${key}`)
    }
    for (const option of part.anyOf ?? []) yield* keysOf(option, path)
    if (typeof part.additionalProperties === 'object') yield* keysOf(part.additionalProperties, `${path}.*`)
  }

  it('describes every key, and says what it may be', () => {
    const formOf = /\.(limit|overrides\.\*|mode)\.(rate|burst|concurrency|canary)$/
    for (const [path, part] of keysOf(schema, '')) {
      if (formOf.test(path)) continue
      assert.ok(part.description, `${path} has no description`)
      assert.ok(part.type ?? part.anyOf ?? part.enum, `${path} may be anything`)
    }
  })

  it('requires nothing that has a default', () => {
    assert.equal(schema.required, undefined)
    assert.equal(schema.properties!.session!.required, undefined)
    assert.equal(schema.properties!.session!.properties!.errors!.default, 20)
  })

  it('knows the keys of each section', () => {
    assert.deepEqual(keysAt(['hardening']), ['vrfy', 'banner', 'relay'])
    assert.ok(keysAt(['limits', 'any']).includes('overrides_file'))
    assert.deepEqual(keysAt(['nowhere']), [])
    assert.match(CONFIG_KEYS.descriptionAt(['limits', 'any', 'count'])!, /counted/)
  })
})
