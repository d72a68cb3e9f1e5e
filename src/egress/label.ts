import { isObject } from './untrusted'
import { MAIL_CLASSES, type MailClass } from './fair-queue'

/** Whose a message is and how urgent: what its delivery must know of its submission. */
export interface Label {
  readonly mailClass: MailClass
  readonly tenant: string | undefined
  readonly account: string | undefined
  /** What the sender calls the mailing that it is of. */
  readonly campaign: string | undefined
  /** IP address that it was submitted from; undefined for a stranger's, whose mail is only passed on. */
  readonly client: string | undefined
}

/** Haraka writes the notes of a transaction into the queue file as JSON, so what stands there survives a restart. */
const NOTE = 'sluice'
/** The longest address there is, RFC 5321 §4.5.3.1. */
const MOST_NAME = 320

/** What Haraka's outbound.send_email takes as `options.notes`, for mail of our own. */
export function notesOf({ mailClass, ...names }: Label): Record<string, unknown> {
  return { [NOTE]: { class: mailClass, ...names } }
}

/** Whether somebody of ours has sent it: no stranger, whose mail is only passed on, and not this server itself. */
export function isSubmitted({ account, client }: Pick<Label, 'account' | 'client'>): boolean {
  return account !== undefined || client !== undefined
}

/** Of mail that this server itself has written. */
export const OWN_MAIL: Label = {
  mailClass: 'system',
  tenant: undefined,
  account: undefined,
  campaign: undefined,
  client: undefined,
}

/**
 * Reads a label back from the notes of a queued message. Queue files may be old, of another release or from elsewhere:
 * whatever is not as it should be is left out, and the class then is `standard`.
 */
export function labelOf(notes: unknown, standard: MailClass): Label {
  const note = isObject(notes) && Object.hasOwn(notes, NOTE) ? notes[NOTE] : undefined
  if (!isObject(note)) return { ...OWN_MAIL, mailClass: standard }
  return {
    mailClass: MAIL_CLASSES.find((mailClass) => mailClass === note.class) ?? standard,
    tenant: nameIn(note.tenant),
    account: nameIn(note.account),
    campaign: nameIn(note.campaign),
    client: nameIn(note.client),
  }
}

function nameIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MOST_NAME ? value : undefined
}
