import { Breaker } from '../../egress/breaker'
import { Controller } from '../../egress/controller'
import type { Steering } from '../../egress/steering'
import type { Answers } from '../../feedback/answers'
import { Automation } from '../../feedback/automation/automation'
import { Blame } from '../../feedback/blame/blame'
import { pathOutcome } from '../../feedback/path-outcome'
import type { Runtime } from '../runtime'
import { type AttemptEnd, attemptEvent } from './attempt-event'
import { answerTo, feedbackOf } from './feedback-of'

export interface Learning {
  /** An attempt is over. */
  note(end: AttemptEnd): void
  close(): void
}

/** Who learns from what the world answers. `onFailure`: what could not be done. */
export function openLearning(
  runtime: Runtime,
  steering: Steering,
  answers: Answers,
  onFailure: (what: string, error: unknown) => void,
): Learning {
  const store = () => runtime.serve().store
  const shared = {
    policy: () => runtime.policy.egress.controller,
    store,
    steering,
    pardons: runtime.pardons,
    onFailure: (error: unknown) => onFailure('steering a path', error),
  }
  const controller = new Controller(shared)
  const breaker = new Breaker(shared)
  const blame = new Blame({
    ...shared,
    policy: () => runtime.policy.automation,
    onNotice: (message) => runtime.stream.emit({ kind: 'notice', at: Date.now(), message }),
    onFailure: (error) => onFailure('looking for whom to blame', error),
  })
  const automation = new Automation({
    ...shared,
    rules: () => runtime.responses,
    mode: () => runtime.policy.automation.mode,
    suppress: (said, forMs) => runtime.suppressing?.bounced(said, forMs),
    blame: (said, forMs) => blame.look(said, forMs),
    onFailure: (error) => onFailure('doing what an answer sets off', error),
  })
  // Counted before anybody looks.
  runtime.feedback.read((said) => blame.read(said))
  runtime.feedback.read((said) => automation.read(said))
  return {
    note(end) {
      const answer = answerTo(end, answers)
      runtime.stream.emit(attemptEvent(end, answer))
      if (end.untried) return
      breaker.note(end.path.path)
      const outcome = pathOutcome(end.attempt, answer, end.beganAt, end.at)
      if (outcome) controller.note(end.path.path, outcome)
      runtime.feedback.tell(feedbackOf(end, answer, answers))
    },
    close: () => blame.close(),
  }
}
