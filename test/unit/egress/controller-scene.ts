import {
  CONTROLLER_DEFAULTS,
  compileController,
  controllerSchema,
} from '../../../src/config/sections/egress-controller'
import { Controller, type Stepped } from '../../../src/egress/controller'
import type { OutcomeKind } from '../../../src/egress/controller-evidence'
import type { ControllerPolicy } from '../../../src/egress/controller-policy'
import { Steering } from '../../../src/egress/steering'
import { MemoryStore } from '../../../src/store/memory/memory-store'
import type { Store } from '../../../src/store/store'

export const PATH = 'egress|default|google'
export const MIN = 60_000

export const POLICY: ControllerPolicy = {
  ...compileController(controllerSchema.parse(CONTROLLER_DEFAULTS)),
  mode: { kind: 'enforce' },
}

/** Processes that share a store, and a clock that goes when told to. */
export class ControllerScene {
  now = 1_700_000_000_000
  readonly store: Store = new MemoryStore({ clock: () => this.now })
  readonly steps: Stepped[] = []
  readonly failures: unknown[] = []
  readonly processes: { readonly controller: Controller; readonly steering: Steering }[] = []

  constructor(public policy: ControllerPolicy = POLICY) {}

  static async of(count: number, policy = POLICY): Promise<ControllerScene> {
    const scene = new ControllerScene(policy)
    await scene.store.open()
    for (let index = 0; index < count; index++) scene.join()
    return scene
  }

  join(store: Store = this.store): void {
    const clock = () => this.now
    const steering = new Steering({ store: () => store, mode: () => this.policy.mode, clock })
    steering.follow(this.store)
    const controller = new Controller({
      policy: () => this.policy,
      store: () => store,
      steering,
      onStep: (stepped) => this.steps.push(stepped),
      onFailure: (error) => this.failures.push(error),
      clock,
    })
    this.processes.push({ controller, steering })
  }

  /** So many outcomes of a kind, each in every process at once, `apartMs` apart. */
  async note(kind: OutcomeKind, times: number, apartMs = 100, text = '4.7.0 later'): Promise<void> {
    for (let time = 0; time < times; time++) {
      this.now += apartMs
      for (const { controller } of this.processes) controller.note(PATH, { kind, at: this.now, code: 421, text })
      await Promise.all(this.processes.map(({ controller }) => controller.settled()))
    }
  }

  /** Past the time in which answers are those to messages that were under way. */
  cool(): void {
    this.now += this.policy.cooldownMs
  }

  get orders() {
    return this.processes[0]!.steering.ordersOf(PATH)
  }

  get factor(): number {
    return this.orders.rateFactor
  }

  get suspended(): boolean {
    return (this.orders.suspendedUntil ?? 0) > this.now
  }
}
