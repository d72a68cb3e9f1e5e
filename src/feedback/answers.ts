import type { ReadAnswer } from '../egress/attempt'
import type { AttemptPhase } from '../policy/attempt-phase'
import type { SmtpReply } from '../egress/smtp-reply'
import type { Classifier } from './classifier'
import type { FeedbackAnswer } from './feedback'
import { isAboutUs } from './path-outcome'

/** Reads the answers of other servers by the rules in force. */
export class Answers {
  private readonly readers = new Map<string | undefined, ReadAnswer>()

  constructor(private readonly classifier: () => Classifier) {}

  /** What an attempt must know of answers while it goes on. `provider`: as `providers.yaml` calls it. */
  readerFor(provider: string | undefined): ReadAnswer {
    const known = this.readers.get(provider)
    if (known) return known
    const reader: ReadAnswer = (phase, reply) => {
      const { rule, responseClass } = this.classifier().classify({ ...reply, phase, provider })
      return { isPassing: rule?.isPassing === true, isAboutUs: isAboutUs(responseClass, reply.enhanced) }
    }
    this.readers.set(provider, reader)
    return reader
  }

  read(reply: SmtpReply, phase: AttemptPhase, provider: string | undefined): FeedbackAnswer {
    const { code, enhanced, text } = reply
    const { responseClass, scope, isHard, rule } = this.classifier().classify({ ...reply, phase, provider })
    return { responseClass, scope, isHard, rule: rule?.name, code, enhanced, text }
  }
}
