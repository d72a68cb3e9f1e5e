import type { Origin, Feedback, FeedbackAnswer, FeedbackKind } from '../../../../src/feedback/feedback'
import type { GuardPolicy } from '../../../../src/feedback/guard/guard-policy'
import { SenderGuard, type SenderStep } from '../../../../src/feedback/guard/sender-guard'
import { Steering } from '../../../../src/egress/steering'
import { Pardons } from '../../../../src/feedback/pardon'
import type { Mode } from '../../../../src/policy/mode'
import { MemoryStore } from '../../../../src/store/memory/memory-store'

export const HOUR = 3_600_000
export const ANN: Origin = {
  tenant: 'acme',
  account: 'ann@example.com',
  campaign: undefined,
  client: '192.0.2.7',
  sender: 'ann@example.com',
  message: 'A.1',
}
export const GUARD: GuardPolicy = {
  windowMs: 24 * HOUR,
  least: 100,
  soft: { slow: 0.08, pause: 0.1 },
  hard: { slow: 0.05, pause: 0.1 },
  complaints: { slow: 0.001, pause: 0.003, windowMs: 7 * 24 * HOUR, least: 1000 },
  rate: { limit: 20, windowMs: HOUR },
}

export function answerOf(said: Partial<FeedbackAnswer> = {}): FeedbackAnswer {
  const text = 'No such user'
  return {
    responseClass: 'invalid',
    scope: 'recipient',
    isHard: true,
    rule: undefined,
    code: 550,
    enhanced: '5.1.1',
    text,
    ...said,
  }
}
export const FULL = answerOf({
  responseClass: 'mailbox_full',
  isHard: false,
  code: 452,
  enhanced: '4.2.2',
  text: 'Full',
})
export const BUSY = answerOf({ responseClass: 'busy', isHard: false, code: 421, enhanced: '4.3.2', text: 'Busy' })

let numbered = 0

/** Something said of a recipient, each time of another one. */
export function said(
  kind: FeedbackKind,
  answer?: FeedbackAnswer,
  of: Partial<Origin> & { recipient?: string } = {},
): Feedback {
  const { recipient = `r${numbered++}@far.test`, ...origin } = of
  return {
    ...{ kind, at: 0, via: 'session', origin: { ...ANN, ...origin }, recipient, answer },
    ...{ path: undefined, source: undefined, provider: undefined },
  }
}

export function many(count: number, kind: FeedbackKind, answer?: FeedbackAnswer, of?: Partial<Origin>): Feedback[] {
  return Array.from({ length: count }, () => said(kind, answer, of))
}

/** Guards of several processes on one store, and a clock that only the test moves. */
export class GuardScene {
  now = 1_700_000_000_000
  mode: Mode = { kind: 'enforce' }
  guard = GUARD
  readonly steps: SenderStep[] = []
  readonly failures: unknown[] = []
  readonly processes: { readonly guard: SenderGuard; readonly steering: Steering }[] = []

  private constructor(readonly store: MemoryStore) {}

  static async of(processes: number): Promise<GuardScene> {
    const clock = () => scene.now
    const scene: GuardScene = new GuardScene(new MemoryStore({ clock }))
    await scene.store.open()
    for (let count = 0; count < processes; count++) scene.join(clock)
    return scene
  }

  private join(clock: () => number): void {
    const store = () => this.store
    const steering = new Steering({ store, clock })
    steering.follow(this.store)
    const pardons = new Pardons(clock)
    pardons.follow(this.store)
    const guard = new SenderGuard({
      ...{ store, steering, pardons, clock },
      policy: () => ({ mode: this.mode, guard: this.guard }),
      onStep: (step) => this.steps.push(step),
      onFailure: (error) => this.failures.push(error),
      later: () => () => undefined,
    })
    this.processes.push({ guard, steering })
  }

  /** Has processes hear it in turn, and waits until what follows is done. */
  async hear(...all: readonly (readonly Feedback[])[]): Promise<void> {
    const processes = this.processes.length
    all.flat().forEach((one, index) => this.processes[index % processes]!.guard.note([one]))
    await this.settle()
  }

  /** Past the time between two steps. */
  async settle(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await Promise.all(this.processes.map(({ guard }) => guard.settled()))
      this.now += 2500
    }
  }

  get told(): string[] {
    return this.steps.map(({ kind, target }) => `${kind} ${target}`)
  }

  held(target: string): string[] {
    return [...this.processes[0]!.steering.holding(target)]
      .filter(({ holds }) => holds)
      .map(({ action }) => action.kind)
  }
}
