import type { MailClass, Waiting } from '../../../src/egress/fair-queue'
import {
  type Grant,
  PathDispatcher,
  type PathDispatcherOptions,
  type PathLimits,
} from '../../../src/egress/path-dispatcher'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import { FakeTimers } from './fake-timers'

/** A path, a store and a clock that a test sets; what is sent is noted. */
export class DispatcherScene {
  readonly timers = new FakeTimers()
  readonly store = new MemoryStore({ clock: () => this.timers.now() })
  readonly sent: { at: number; id: string; end: () => void }[] = []
  readonly failures: unknown[] = []
  private count = 0

  readonly dispatcher = (
    limits: Partial<PathLimits>,
    options: Partial<PathDispatcherOptions<Waiting>> = {},
  ): PathDispatcher<Waiting> =>
    new PathDispatcher<Waiting>({
      path: 'default|google',
      limits: () => ({ connections: 1000, rate: undefined, ...limits }),
      store: () => this.store,
      send: ({ item, end }: Grant<Waiting>) => this.sent.push({ at: this.timers.now(), id: item.id, end }),
      onFailure: (error) => this.failures.push(error),
      timers: this.timers,
      clock: () => this.timers.now(),
      ...options,
    })

  readonly item = (mailClass: MailClass = 'system', tenant = 'a'): Waiting => ({
    id: `m${this.count++}`,
    mailClass,
    tenant,
    dueAt: 0,
  })

  readonly add = (to: PathDispatcher<Waiting>, times: number): void => {
    for (let time = 0; time < times; time++) to.add(this.item())
  }

  /** Places that are taken in the store. */
  readonly held = async (): Promise<number> => (await this.store.list('egress_place', 9))[0]?.counts[0]?.count ?? 0
}
