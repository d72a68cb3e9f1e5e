import { OK } from '../types'
import { OWN_MAIL, notesOf } from './label'

/** What of Haraka's outbound takes a message. */
export interface OutboundMail {
  send_email(
    from: string,
    to: unknown,
    contents: string,
    done: (code: number, message?: unknown) => void,
    options: { notes: object },
  ): void
}

/** Queues a message of this server's own, from nobody (RFC 5321 §4.5.5). Rejects when it cannot be queued. */
export function sendOwnMail(outbound: OutboundMail, to: unknown, contents: string): Promise<void> {
  const label = notesOf(OWN_MAIL)
  // Haraka's own notes of a transaction have this, and it looks there.
  const notes = { ...label, skip_plugins: [] }
  return new Promise((resolve, reject) => {
    const done = (code: number, message?: unknown) => {
      if (code === OK) resolve()
      else reject(new Error(String(message)))
    }
    outbound.send_email('<>', to, contents, done, { notes })
  })
}
