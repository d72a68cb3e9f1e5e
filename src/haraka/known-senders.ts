import { tookAsk } from '../gates/correspondents/correspondents'
import type { Runtime } from './runtime'
import { isSubmission, recipientOf, senderOf } from './subject'
import type { Connection } from './types'

/** Room is left in the batch for what reputation has to say at the end. */
const MOST_LESSONS = 48

/** A message is somewhere safe: its recipients know its sender from the end of the session on. */
export function noteSender(runtime: Runtime, connection: Connection): void {
  const { transaction } = connection
  const { mode, memoryMs } = runtime.policy.mailbomb
  const session = runtime.sessions.of(connection)
  if (!transaction || mode.kind === 'off' || session.client.trusted || isSubmission(connection)) return
  const sender = senderOf(transaction, session)
  for (const named of transaction.rcpt_to) {
    const ask = tookAsk({ sender, recipient: recipientOf(named) }, memoryMs)
    if (!ask || session.lessons.some(({ key }) => key === ask.key)) continue
    if (session.lessons.length >= MOST_LESSONS) runtime.learn(session.lessons.splice(0))
    session.lessons.push(ask)
  }
}
