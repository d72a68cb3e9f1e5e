/** Shipped rules that count what one client, sender or mailbox does. */
const COUNTING = [
  'connection_rate',
  'parallel_sessions',
  'client_messages',
  'client_recipients',
  'client',
  'sender',
  'sender_domain',
  'new_sender',
  'recipient',
  'recipient_share',
]

/** `limits:` for sluice.yaml without any of those, but for the rules that are given: lines indented by two. */
export function onlyLimits(...rules: readonly string[]): string {
  const given = rules.map((rule) => /^\s*(\w+):/.exec(rule)?.[1])
  const removed = COUNTING.filter((name) => !given.includes(name)).map((name) => `  ${name}: false`)
  return ['limits:', ...removed, ...rules, ''].join('\n')
}
