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
  http: { listen: '127.0.0.1:8787', token_file: 'data/http-token' },
  decisions: { path: 'data/decisions', record: 'all', rotate: '64MB', keep: '7d', most: '2GB' },
  tarpit: { longest: '10s', most: 100 },
  session: { recipients: 100, errors: 20, junk: 100, length: '1h' },
  hardening: { vrfy: 'refuse', banner: 'minimal', relay: 'guard' },
  greylist: { mode: 'shadow', delay: '5m', retry: '48h', pass: '35d', allow: [] },
  score: {
    mode: 'shadow',
    delay: 4,
    hold: '5s',
    defer: 8,
    reject: false,
    weights: { spf_fail: 3, spf_softfail: 1, auth_failure: 1, unknown_recipient: 0.5, error: 0.25, early: 4 },
  },
  jail: {
    mode: 'shadow',
    answer: 'defer',
    never: [],
    offences: { auth: 1, unknown_recipient: 1, relay: 1, protocol: 1, junk: 1, probe: 1, early: 3 },
    client: ['10/10m', '20/2h', '40/24h'],
    account: ['10/10m', '30/2h', '60/24h'],
    login: ['5/10m', '10/2h', '20/24h'],
    slow: '5s',
    offenders: 5,
    first: '10m',
    longest: '7d',
    memory: '60d',
  },
  dns: { servers: [], timeout: '2s' },
  dnsbl: { mode: 'shadow', defer: 4, reject: 8, allow: [], zones: [] },
  rdns: {
    mode: 'shadow',
    missing_ipv6: 'signal',
    weights: {
      ...{ missing: 2, unconfirmed: 1, generic: 2 },
      ...{ helo_address: 3, helo_bare: 1, helo_ours: 4, helo_mismatch: 0.5 },
    },
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
