import type { QueueItem, QueuedRecipient } from './queue-item'

/**
 * Makes several messages of one, each to at most so many recipients, and removes the one. Rejects, and leaves everything as
 * it was, when one cannot be written: Haraka by itself would bounce the message to its sender.
 *
 * Should the host fail between the last file written and the first removed, there are both.
 */
export async function splitUp(item: QueueItem, most: number): Promise<QueueItem[]> {
  const recipients = item.todo!.rcpt_to
  const parts: QueueItem[] = []
  try {
    for (let at = 0; at < recipients.length; at += most)
      parts.push(await writePart(item, recipients.slice(at, at + most)))
  } catch (error) {
    for (const part of parts) part.discard()
    throw error
  }
  item.discard()
  return parts
}

function writePart(item: QueueItem, recipients: readonly QueuedRecipient[]): Promise<QueueItem> {
  return new Promise((resolve, reject) => {
    const asked = Object.create(item) as QueueItem
    asked.bounce = (error) => reject(new Error(error))
    asked.split_to_new_recipients(recipients, 'more than the provider takes at a time', resolve)
  })
}
