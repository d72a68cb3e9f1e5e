/** Where in a session with another server something happened, in its order. `block` is the message itself, between DATA and the final dot. */
export const ATTEMPT_PHASES = [
  'connect',
  'greeting',
  'hello',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'block',
  'dot',
] as const
export type AttemptPhase = (typeof ATTEMPT_PHASES)[number]
