import type { ConfigInput } from './schema'

/**
 * What holds where the operator's file says nothing. `config/sluice.yaml` shows every one of these with its reason; a
 * test holds the two together. Figures: Postfix's anvil limits for the server layer, rspamd's ratelimit practice for the
 * filter layer.
 */
export const DEFAULTS = {
  mode: 'shadow',
  store: 'lmdb:data/sluice',
  trusted: ['127.0.0.0/8', '::1'],
  tenants: {},
  http: { listen: '127.0.0.1:8787' },
  decisions: { path: 'data/decisions', record: 'all', rotate: '64MB', keep: '7d', most: '2GB' },
  tarpit: { longest: '10s', most: 100 },
  session: { recipients: 100, errors: 20, junk: 100, length: '1h' },
  hardening: { vrfy: 'refuse', banner: 'minimal', relay: 'guard' },
  greylist: { mode: 'shadow', delay: '5m', retry: '48h', pass: '35d', allow: [] },
  overload: {
    mode: 'shadow',
    loop: '80%',
    delay: '100ms',
    cpu: '90%',
    memory: '90%',
    disk_free: '256MB',
    queue: 20_000,
    sessions: 2000,
    hold: '5s',
    again: '1m',
  },
  maildrop: { path: 'data/mail' },
  limits: {
    connection_rate: {
      count: 'connections',
      per: 'client',
      limit: '20/min',
      tiers: true,
      text: 'Too many connections from your network',
    },
    parallel_sessions: {
      count: 'sessions',
      per: 'client',
      limit: { concurrency: 10 },
      tiers: true,
      text: 'Too many open sessions from your network',
    },
    client_messages: { count: 'messages', per: 'client', limit: '30/min', text: 'Too many messages from your address' },
    client_recipients: {
      count: 'recipients',
      per: 'client',
      limit: '50/min',
      text: 'Too many recipients from your address',
    },
    client: {
      count: 'messages',
      per: 'client',
      limit: ['10/min', '50/h'],
      exempt: ['trusted', 'authenticated'],
      text: 'Too many messages from your address',
    },
    sender: {
      count: 'messages',
      per: 'sender',
      limit: ['5/min', '30/h'],
      text: 'Too many messages from this sender',
    },
    sender_domain: {
      count: 'messages',
      per: 'sender_domain',
      limit: ['20/min', '100/h'],
      overrides_file: 'sluice/large-senders.map',
      text: 'Too many messages from this sender domain',
    },
    recipient: {
      count: 'messages',
      per: 'recipient',
      limit: '10/min',
      direction: 'inbound',
      text: 'Too many messages for this recipient',
    },
    recipient_share: {
      count: 'messages',
      per: ['network', 'recipient'],
      limit: '5/min',
      direction: 'inbound',
      text: 'Too many messages from your network for this recipient',
    },
  },
} as const satisfies ConfigInput
