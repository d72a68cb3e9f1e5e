import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mayLive, monotonicMs, whoAmI } from '../../../../src/store/lmdb/process-identity'

describe('process identity', () => {
  it('knows that this process lives', () => {
    assert.ok(mayLive(whoAmI()))
    assert.equal(whoAmI().pid, process.pid)
  })

  it('knows that a process is gone, and that another has its number', async () => {
    const child = fork('-e', ['process.on("message", () => {})'], { execArgv: [], stdio: 'ignore' })
    const other = { ...whoAmI(), pid: child.pid!, born: '' }
    assert.ok(mayLive(other))
    if (whoAmI().born !== '') assert.ok(!mayLive({ ...other, born: '1' }))
    const exited = once(child, 'exit')
    child.kill()
    await exited
    assert.ok(!mayLive(other))
  })

  it('knows that no process survives the end of its host', () => {
    assert.ok(!mayLive({ ...whoAmI(), boot: 'another' }))
  })

  it('says nothing of processes in another container', () => {
    assert.ok(mayLive({ ...whoAmI(), pid: 2 ** 22 + 1, space: 'another' }))
  })

  it('has a clock that does not run backwards', () => {
    const before = monotonicMs()
    assert.ok(monotonicMs() >= before && before > 0)
  })
})
