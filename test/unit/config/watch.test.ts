import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LoadResult, loadPolicy } from '../../../src/config/load'
import { type PolicyWatch, type WatchOptions, watchPolicy } from '../../../src/config/watch'
import type { Mode } from '../../../src/policy/mode'
import { TestDirectory } from './fixtures'

const QUICK = { debounceMs: 20 }
/** Only for proving that nothing happens: several times the debounce. */
const A_WHILE_MS = 200

describe('watchPolicy', () => {
  let directory: TestDirectory
  let watch: PolicyWatch
  let loads: LoadResult[]
  let signal: EventEmitter

  beforeEach(() => {
    directory = new TestDirectory('mode: shadow\nlimits: {sender: {overrides_file: sluice/a.map}}\n')
    directory.write('config/sluice/a.map', 'example.com 5/min\n')
    loads = []
    signal = new EventEmitter()
  })
  afterEach(() => {
    watch.close()
    directory.remove()
  })

  function start(options: Partial<WatchOptions> = QUICK): void {
    const onLoad = (result: LoadResult) => {
      loads.push(result)
      signal.emit('load')
    }
    watch = watchPolicy(directory.path, loadPolicy(directory.path), { onLoad, ...options })
  }

  /** Resolves when the next result has come. */
  const loaded = () => once(signal, 'load')

  function modeInForce(): Mode | undefined {
    return watch.policy?.config.mode
  }

  async function change(file: string, text: string): Promise<void> {
    const arrived = loaded()
    directory.write(file, text)
    await arrived
  }

  it('calls back once for a change, with the new policy', async () => {
    start()
    await change('config/sluice.yaml', 'mode: enforce\n')
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
    await sleep(A_WHILE_MS)
    assert.equal(loads.length, 1)
  })

  it('reads again when only a map changes', async () => {
    start()
    await change('config/sluice/a.map', 'example.com exempt\n')
    const sender = watch.policy!.rules.find(({ name }) => name === 'sender')!
    assert.equal(sender.overrides.domains.get('example.com'), 'exempt')
  })

  it('keeps the last good policy while there are mistakes, and takes the mended file', async () => {
    start()
    const before = watch.policy
    await change('config/sluice.yaml', 'mode: enfroce\n')
    assert.ok('problems' in loads[0]!)
    assert.equal(watch.policy, before)
    await change('config/sluice.yaml', 'mode: enforce\n')
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
  })

  it('outlives a value that repeats itself', async () => {
    start()
    const before = watch.policy
    await change('config/sluice.yaml', 'limits: {sender: {limit: &l {rate: *l, burst: 5}}}\n')
    assert.ok('problems' in loads[0]!)
    assert.equal(watch.policy, before)
  })

  it('reads again when providers.yaml appears or changes, and keeps what holds on a mistake', async () => {
    start()
    const connections = () => {
      const last = loads.at(-1)!
      return 'policy' in last ? last.egress.providers.get('google')!.layer.figures.connections : undefined
    }
    await change('config/sluice/providers.yaml', 'providers: {google: {connections: 3}}\n')
    assert.equal(connections(), 3)
    const before = watch.policy
    await change('config/sluice/providers.yaml', 'providers: {mine: {}}\n')
    assert.ok('problems' in loads.at(-1)!)
    assert.equal(watch.policy, before)
    await change('config/sluice/providers.yaml', 'providers: {google: {connections: 4}}\n')
    assert.equal(connections(), 4)
  })

  it('notices a mistake in a map, and its mending', async () => {
    start()
    await change('config/sluice/a.map', 'example.com\n')
    assert.ok('problems' in loads[0]!)
    await change('config/sluice/a.map', 'example.com 6/min\n')
    assert.ok('policy' in loads[1]!)
  })

  it('follows editors that put a new file in place of the old', async () => {
    start()
    for (const mode of ['enforce', 'off']) {
      directory.write('config/sluice.yaml~', `mode: ${mode}\n`)
      const arrived = loaded()
      renameSync(path.join(directory.path, 'config/sluice.yaml~'), path.join(directory.path, 'config/sluice.yaml'))
      await arrived
      assert.deepEqual(modeInForce(), { kind: mode })
    }
  })

  for (const [how, empty] of [
    ['removed', () => rmSync(path.join(directory.path, 'config/sluice.yaml'))],
    ['emptied', () => directory.write('config/sluice.yaml', '')],
    ['left with comments', () => directory.write('config/sluice.yaml', '# mode: enforce\n')],
  ] as const) {
    it(`keeps what it has when the file is ${how}, says so, and takes the next one`, async () => {
      start()
      await change('config/sluice.yaml', 'mode: enforce\n')
      const arrived = loaded()
      empty()
      await arrived
      assert.deepEqual(modeInForce(), { kind: 'enforce' })
      const [, refused] = loads
      assert.match(refused && 'problems' in refused ? refused.problems[0]!.message : '', /^is empty or gone/)
      await change('config/sluice.yaml', 'mode: off\n')
      assert.deepEqual(modeInForce(), { kind: 'off' })
    })
  }

  it('watches the maps that a new configuration names', async () => {
    start()
    directory.write('config/sluice/b.map', 'example.net 5/min\n')
    await change('config/sluice.yaml', 'limits: {recipient: {overrides_file: sluice/b.map}}\n')
    await change('config/sluice/b.map', 'example.net exempt\n')
    const recipient = watch.policy!.rules.find(({ name }) => name === 'recipient')!
    assert.equal(recipient.overrides.domains.get('example.net'), 'exempt')
  })

  it('says nothing when the content is the same', async () => {
    start()
    const file = path.join(directory.path, 'config/sluice.yaml')
    utimesSync(file, new Date(0), new Date(0))
    directory.write('config/other.ini', 'x=1\n')
    await sleep(A_WHILE_MS)
    assert.equal(loads.length, 0)
  })

  it('waits while a file is still being written', async () => {
    start({ debounceMs: 500 })
    const arrived = loaded()
    for (const text of ['mode: e', 'mode: enfo', 'mode: enforce\n']) {
      directory.write('config/sluice.yaml', text)
      await sleep(20)
    }
    await arrived
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
    assert.equal(loads.length, 1)
  })

  it('finds changes by looking where the system gives no sign', async () => {
    // The folder watched is that of the link; the file changes elsewhere, as mounted configurations do.
    const elsewhere = new TestDirectory('mode: shadow\n')
    const file = path.join(directory.path, 'config/sluice.yaml')
    rmSync(file)
    symlinkSync(path.join(elsewhere.path, 'config/sluice.yaml'), file)
    start({ ...QUICK, pollMs: 30 })
    const arrived = loaded()
    elsewhere.write('config/sluice.yaml', 'mode: enforce\n')
    await arrived
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
    elsewhere.remove()
  })

  it('takes what changed between loading and watching', async () => {
    const before = loadPolicy(directory.path)
    directory.write('config/sluice.yaml', 'mode: enforce\n')
    const arrived = loaded()
    watch = watchPolicy(directory.path, before, {
      ...QUICK,
      onLoad: (result) => {
        loads.push(result)
        signal.emit('load')
      },
    })
    await arrived
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
  })

  it('looks at once when asked', () => {
    start({ debounceMs: 60_000 })
    directory.write('config/sluice.yaml', 'mode: enforce\n')
    watch.check()
    assert.equal(loads.length, 1)
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
  })

  it('is silent once closed', async () => {
    start()
    directory.write('config/sluice.yaml', 'mode: enforce\n')
    watch.close()
    watch.check()
    await sleep(A_WHILE_MS)
    assert.equal(loads.length, 0)
  })

  it('has no policy until there has been a good one', async () => {
    directory.write('config/sluice.yaml', 'mode: enfroce\n')
    start()
    assert.equal(watch.policy, undefined)
    await change('config/sluice.yaml', 'mode: enforce\n')
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
  })

  it('lives without a config folder, and sees it come', async () => {
    rmSync(path.join(directory.path, 'config'), { recursive: true })
    start({ ...QUICK, pollMs: 30 })
    const fresh = new TestDirectory('mode: enforce\n')
    const arrived = loaded()
    renameSync(path.join(fresh.path, 'config'), path.join(directory.path, 'config'))
    await arrived
    assert.deepEqual(modeInForce(), { kind: 'enforce' })
    fresh.remove()
  })
})
