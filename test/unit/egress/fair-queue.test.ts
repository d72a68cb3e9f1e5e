import assert from 'node:assert/strict'
import fc from 'fast-check'
import { FairQueue, MAIL_CLASSES, type MailClass, type Waiting } from '../../../src/egress/fair-queue'

describe('fair queue', () => {
  let count = 0
  const item = (mailClass: MailClass = 'system', tenant = 'a'): Waiting => ({
    id: `m${count++}`,
    mailClass,
    tenant,
    dueAt: 0,
  })
  function filled(...items: Waiting[]): FairQueue<Waiting> {
    const queue = new FairQueue()
    for (const waiting of items) queue.push(waiting)
    return queue
  }
  function takeAll(queue: FairQueue<Waiting>, most = Infinity): Waiting[] {
    const taken: Waiting[] = []
    for (let next = queue.take(); next && taken.push(next) < most; next = queue.take());
    return taken
  }

  it('puts what comes out of order where it belongs, as after a restart', () => {
    const due = fc.array(fc.nat(50), { maxLength: 40 })
    fc.assert(
      fc.property(due, (times) => {
        const queue = new FairQueue()
        times.forEach((dueAt, index) => queue.push({ ...item(), id: `${index}`, dueAt }))
        const taken = times.map(() => queue.take()!)
        assert.deepEqual(
          taken.map(({ id }) => Number(id)),
          times.map((_, index) => index).sort((a, b) => times[a]! - times[b]! || a - b),
        )
      }),
    )
  })

  it('takes the most urgent class first, and what came first of a tenant', () => {
    const [news, code, notice, later] = [
      item('marketing'),
      item('transactional'),
      item('system'),
      item('transactional'),
    ]
    assert.deepEqual(takeAll(filled(news, code, notice, later)), [code, later, notice, news])
  })

  it('gives each class the share it is certain of, and the rest to the most urgent', () => {
    const queue = filled(
      ...MAIL_CLASSES.flatMap((mailClass) => Array.from({ length: 1000 }, () => item(mailClass, 'a'))),
    )
    const taken = takeAll(queue, 1000).map(({ mailClass }) => mailClass)
    for (const takings of [50, 100, 1000]) {
      const [, system, marketing] = MAIL_CLASSES.map(
        (mailClass) => taken.slice(0, takings).filter((name) => name === mailClass).length,
      )
      // Two shares may be due at once; then one is served a taking later.
      assert.ok(
        Math.abs(system! - 0.2 * takings) <= 1 && Math.abs(marketing! - 0.1 * takings) <= 1,
        `${system} ${marketing}`,
      )
    }
  })

  it('saves no share up for a class that has not waited', () => {
    const queue = filled(...Array.from({ length: 1000 }, () => item('transactional')))
    takeAll(queue, 500)
    for (let news = 0; news < 100; news++) queue.push(item('marketing'))
    const next = takeAll(queue, 10).map(({ mailClass }) => mailClass)
    assert.equal(next.filter((name) => name === 'marketing').length, 1)
  })

  it('lets the tenants of a class take turns, however much one of them has', () => {
    const queue = filled(...Array.from({ length: 1000 }, () => item('marketing', 'large')))
    const small = [item('marketing', 'small'), item('marketing', 'small')]
    for (const waiting of small) queue.push(waiting)
    const tenants = takeAll(queue, 6).map(({ tenant }) => tenant)
    assert.deepEqual(tenants, ['large', 'small', 'large', 'small', 'large', 'large'])
  })

  it('takes one out of turn, and nothing twice', () => {
    const [one, two, three] = [item(), item(), item()]
    const queue = filled(one, two, three)
    assert.equal(queue.remove(two.id), two)
    assert.equal(queue.remove(two.id), undefined)
    assert.throws(() => queue.push(one), /waits already/)
    assert.deepEqual([queue.size, queue.has(one.id), queue.has(two.id), queue.sizeOf('system')], [2, true, false, 2])
    assert.deepEqual(takeAll(queue), [one, three])
    assert.deepEqual([queue.size, queue.take()], [0, undefined])
  })

  it('is as it was when something is put back, however often', () => {
    const fill = (queue: FairQueue<Waiting>) => {
      let number = 0
      for (const mailClass of MAIL_CLASSES) {
        for (const tenant of ['a', 'b']) {
          for (let time = 0; time < 20; time++) queue.push({ id: `${number++}`, mailClass, tenant, dueAt: 0 })
        }
      }
      return queue
    }
    const [plain, often] = [fill(new FairQueue()), fill(new FairQueue())]
    for (let time = 0; time < 120; time++) {
      for (let again = 0; again < 3; again++) often.putBack(often.take()!)
      assert.equal(often.take()!.id, plain.take()!.id, `the ${time + 1}th`)
    }
    assert.throws(() => {
      const queue = filled(item())
      queue.putBack([...queue][0]!)
    }, /waits already/)
  })

  it('knows the oldest of each class, whatever its tenant', () => {
    const queue = filled()
    assert.equal(queue.oldestOf('system'), undefined)
    const [a, b] = [
      { ...item('system', 'a'), dueAt: 50 },
      { ...item('system', 'b'), dueAt: 40 },
    ]
    for (const one of [a, { ...item('system', 'a'), dueAt: 60 }, b]) queue.push(one)
    queue.push({ ...item('marketing'), dueAt: 10 })
    assert.deepEqual([queue.oldestOf('system'), queue.oldestOf('marketing')], [40, 10])
    queue.remove(b.id)
    assert.equal(queue.oldestOf('system'), 50)
    queue.remove(a.id)
    assert.deepEqual([queue.oldestOf('system'), queue.oldestOf('transactional')], [60, undefined])
  })

  it('refuses shares that leave nothing to the most urgent', () => {
    assert.throws(() => new FairQueue({ transactional: 0, system: 0.5, marketing: 0.5 }), /below 1/)
    assert.throws(() => new FairQueue({ transactional: 0, system: -0.1, marketing: 0.5 }), RangeError)
  })

  it('whatever is done with it: loses nothing, doubles nothing, and lets nobody wait beyond his turn', () => {
    const tenants = fc.constantFrom('a', 'b', 'c')
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant('push' as const),
          mailClass: fc.constantFrom(...MAIL_CLASSES),
          tenant: tenants,
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), pick: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = new FairQueue()
        const waiting = new Map<string, Waiting>()
        for (const action of steps) {
          if (action.do === 'push') {
            const next = item(action.mailClass, action.tenant)
            queue.push(next)
            waiting.set(next.id, next)
          } else if (action.do === 'take') {
            const last = queue.take()
            assert.equal(last === undefined, waiting.size === 0)
            if (!last) continue
            assert.ok(waiting.delete(last.id), 'taken twice, or never pushed')
            // Before it of the same tenant and class nothing waits that came earlier.
            const { mailClass, tenant, id } = last
            for (const other of waiting.values()) {
              if (other.mailClass === mailClass && other.tenant === tenant) {
                assert.ok(Number(other.id.slice(1)) > Number(id.slice(1)), 'overtaken')
              }
            }
          } else {
            const all = [...waiting.keys()]
            const id = all[action.pick % Math.max(1, all.length)]
            if (id === undefined) continue
            assert.equal(queue.remove(id), waiting.get(id))
            waiting.delete(id)
          }
          assert.equal(queue.size, waiting.size)
        }
        assert.deepEqual(new Set([...queue].map(({ id }) => id)), new Set(waiting.keys()))
        assert.equal(takeAll(queue).length, waiting.size)
      }),
      { numRuns: 300 },
    )
  })

  it('serves every tenant that waits once before it serves any twice', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4), { minLength: 5, maxLength: 200 }), (owners) => {
        const queue = filled(...owners.map((owner) => item('marketing', `t${owner}`)))
        const left = new Map<string, number>()
        for (const { tenant } of queue) left.set(tenant, (left.get(tenant) ?? 0) + 1)
        const served = new Map<string, number>([...left.keys()].map((tenant) => [tenant, 0]))
        for (const { tenant } of takeAll(queue)) {
          served.set(tenant, served.get(tenant)! + 1)
          for (const [other, times] of served) {
            const waits = left.get(other)! > times
            if (other !== tenant && waits)
              assert.ok(served.get(tenant)! - times <= 1, `${other} waits, ${tenant} is served`)
          }
        }
      }),
    )
  })
})
