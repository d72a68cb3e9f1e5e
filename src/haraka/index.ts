/** What plugins may use. Everything that knows Haraka is behind this door. */
export { replyFor, smtpReply } from './reply'
export { endSession, watchReplies } from './replies'
export { keepMessage } from './maildrop'
export { sluicePlugin } from './plugin'
export type { Answer } from './guard'
export type { Runtime } from './runtime'
export { DENY, DENYSOFT, OK } from './types'
export type { Connection, EnvelopeAddress, HarakaPlugin, Hook, Transaction } from './types'
