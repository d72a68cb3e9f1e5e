import assert from 'node:assert/strict'
import { Gatherer } from '../../../../src/store/redis/gatherer'

describe('gatherer', () => {
  function gatherer(send = (items: readonly string[]) => Promise.resolve(items.map((item) => item.toUpperCase()))) {
    const calls: string[][] = []
    const gathering = new Gatherer<string, string>({
      send: (items) => {
        calls.push([...items])
        return send(items)
      },
      sizeOf: (item) => item.length,
      most: 6,
    })
    return { calls, ask: (item: string) => gathering.ask(item) }
  }

  it('sends what is asked in one turn in one call, and gives everybody his own answer', async () => {
    const { ask, calls } = gatherer()
    assert.deepEqual(await Promise.all([ask('a'), ask('b'), ask('c')]), ['A', 'B', 'C'])
    assert.equal(await ask('d'), 'D')
    assert.deepEqual(calls, [['a', 'b', 'c'], ['d']])
  })

  it('sends more than fits in several calls, in order, and what is too large by itself', async () => {
    const { ask, calls } = gatherer()
    const answers = await Promise.all(['aaaa', 'bb', 'c', 'dddddddd', 'e'].map(ask))
    assert.deepEqual(answers, ['AAAA', 'BB', 'C', 'DDDDDDDD', 'E'])
    assert.deepEqual(calls, [['aaaa', 'bb'], ['c'], ['dddddddd'], ['e']])
  })

  it('tells everybody of a call that it failed, and nobody else', async () => {
    const { ask } = gatherer((items) =>
      items.includes('aaaaaa') ? Promise.reject(new Error('lost')) : Promise.resolve([...items]),
    )
    const [lost, kept] = await Promise.allSettled([ask('aaaaaa'), ask('b')])
    assert.equal(lost.status, 'rejected')
    assert.deepEqual(kept, { status: 'fulfilled', value: 'b' })
  })
})
