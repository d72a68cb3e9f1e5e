import type { Misdeed, SinkOptions, SinkSession } from './smtp-sink'

/** A misbehaving destination, and what becomes of mail to it. */
export interface HostScenario {
  /** The preferred first. */
  readonly hosts: readonly (SinkOptions | 'dead')[]
  /** Of its provider, in the flow style of YAML: `connections: 1, tls: required`. */
  readonly profile?: string
  readonly messages?: number
  readonly body?: string
  /** `taken/reported/queued`, of each message. */
  readonly end: `${number}/${number}/${number}`
  /** What the log says. */
  readonly says?: RegExp
  /** What each report says. */
  readonly reports?: RegExp
}

/** Rests long after a failure, so that the test finds it in the queue. */
const RESTS = 'retry: {first: 1h, longest: 1h}'
const LARGE = `${'x'.repeat(900)}\r\n`.repeat(400)
const LONG = 'x'.repeat(1_000_000)

type Answer = Misdeed | ((session: SinkSession) => Misdeed)

/** Misbehaves the first time that it comes to a verb, or so many times. */
function at(verb: string, answer: Answer, times = 1): SinkOptions {
  let left = times
  return {
    misdeed: (asked, session) => {
      if (asked !== verb || left <= 0) return undefined
      const misdeed = typeof answer === 'function' ? answer(session) : answer
      if (misdeed !== undefined) left--
      return misdeed
    },
  }
}

const always = (verb: string, answer: Answer) => at(verb, answer, Infinity)

/** Hosts that fail and then recover: every message is taken, and once. */
function recovering(): Record<string, HostScenario> {
  const found: Record<string, HostScenario> = {}
  const timeouts: Record<string, string> = {
    ...{
      CONNECT: 'greeting',
      EHLO: 'ehlo',
      STARTTLS: 'starttls',
      MAIL: 'mail',
      RCPT: 'rcpt',
      DATA: 'data',
      DOT: 'dot',
    },
  }
  for (const [verb, phase] of Object.entries(timeouts)) {
    const tls = verb === 'STARTTLS' ? { starttls: true } : {}
    const hang = {
      hosts: [{ ...at(verb, 'hang', 2), ...tls }],
      profile: `timeouts: {${phase}: 1s}`,
      end: '1/0/0',
    } as const
    found[`gives no answer to ${verb}`] = hang
    for (const misdeed of ['close', 'reset', 'noise'] as const) {
      found[`${SAYS[misdeed]} at ${verb}`] = { hosts: [{ ...at(verb, misdeed, 2), ...tls }], end: '1/0/0' }
    }
    if (verb !== 'STARTTLS') {
      found[`answers ${verb} with 4xx`] = { hosts: [at(verb, '451 4.3.0 not now', 2)], end: '1/0/0' }
      found[`answers ${verb} with 421`] = { hosts: [at(verb, '421 4.3.2 going down', 2)], end: '1/0/0' }
    }
    found[`answers ${verb} with a line of 1 MB`] = { hosts: [{ ...at(verb, `250 ${LONG}`, 2), ...tls }], end: '1/0/0' }
  }
  return found
}

const SAYS = { close: 'closes', reset: 'resets the connection', noise: 'talks nonsense' }

/** TLS that fails, in every way that a host may fail at it. */
function brokenTls(): Record<string, HostScenario> {
  const kinds: Record<string, SinkOptions> = {
    'that is noise': { starttls: 'broken' },
    'that hangs': { starttls: 'hang' },
    'that is a closed connection': { starttls: 'close' },
    'that is refused for now': { starttls: true, ...always('STARTTLS', '454 4.7.0 not now') },
    'that is refused for good': { starttls: true, ...always('STARTTLS', '502 5.5.1 never') },
    'of an old version': { starttls: true, tlsVersion: 'TLSv1.2' },
    'that is reset': { starttls: true, ...always('STARTTLS', 'reset') },
  }
  const found: Record<string, HostScenario> = {}
  for (const [what, options] of Object.entries(kinds)) {
    const tls = (demand: string) => `tls: {demand: ${demand}, min_version: 1.3}, timeouts: {starttls: 1s}`
    found[`has TLS ${what}, and needs none`] = { hosts: [options], profile: tls('opportunistic'), end: '1/0/0' }
    found[`has TLS ${what}, and must have it`] = {
      hosts: [options],
      profile: `${tls('required')}, ${RESTS}`,
      end: '0/0/1',
    }
  }
  const unproven = 'has a certificate that proves nothing, and must prove who it is'
  found[unproven] = { hosts: [{ starttls: true }], profile: `tls: required, ${RESTS}`, end: '0/0/1' }
  return found
}

/** Hosts that say no for good. */
function refusing(): Record<string, HostScenario> {
  const found: Record<string, HostScenario> = {}
  for (const verb of ['CONNECT', 'MAIL', 'RCPT', 'DATA', 'DOT']) {
    const refusal = `554 5.7.1 not at ${verb}` as const
    const reports = new RegExp(`^Diagnostic-Code: smtp; ${refusal}`, 'm')
    found[`answers ${verb} with 5xx`] = { hosts: [always(verb, refusal)], end: '0/1/0', reports }
  }
  const neverHello = {
    misdeed: (verb: string) => (/EHLO|HELO/.test(verb) ? '550 5.7.1 who are you' : undefined),
  } as const
  found['takes no greeting of ours'] = { hosts: [neverHello], end: '0/1/0' }
  return found
}

export function hostScenarios(): Record<string, HostScenario> {
  return {
    ...recovering(),
    ...brokenTls(),
    ...refusing(),
    'closes after 20 messages without a word': {
      hosts: [always('TAKEN', ({ taken }) => (taken >= 20 ? 'close' : undefined))],
      profile: 'connections: 1',
      messages: 50,
      end: '1/0/0',
    },
    'says 421 to MAIL in a session that was used': {
      hosts: [always('MAIL', ({ taken }) => (taken >= 2 ? '421 4.4.2 too many messages in this session' : undefined))],
      profile: 'connections: 1',
      messages: 9,
      end: '1/0/0',
    },
    'says 421 between two messages': { hosts: [at('TAKEN', '421 4.3.2 bye', 2)], messages: 6, end: '1/0/0' },
    'talks between two messages': { hosts: [at('TAKEN', 'noise', 2)], messages: 6, end: '1/0/0' },
    'resets in the middle of a message': { hosts: [at('BODY', 'reset', 2)], body: LARGE, end: '1/0/0' },
    'closes in the middle of a message': { hosts: [at('BODY', 'close', 2)], body: LARGE, end: '1/0/0' },
    'says 421 in the middle of a message': { hosts: [at('BODY', '421 4.3.2 bye', 2)], body: LARGE, end: '1/0/0' },
    'says yes in the middle of a message': { hosts: [at('BODY', '250 fine', 2)], body: LARGE, end: '1/0/0' },
    'refuses a message before its end': {
      hosts: [always('DATA', '354 go on\r\n554 5.7.1 not this one')],
      end: '0/1/0',
      says: /delivery=bounced [^\n]* phase=block code=554 [^\n]* enhanced=5\.7\.1 reason="not this one"/,
      reports: /^Remote-MTA: dns; .*\r\nDiagnostic-Code: smtp; 554 5\.7\.1 not this one\r$/m,
    },
    'answers RCPT twice, and later is itself again': {
      hosts: [{ ...at('RCPT', '250 fine\r\n250 fine', 4), replyMs: 20 }],
      end: '1/0/0',
    },
    'answers the dot twice while others wait for its session': {
      hosts: [{ ...always('DOT', '250 taken\r\n250 taken'), replyMs: 20 }],
      profile: 'connections: 5, connection_rate: 1/s',
      messages: 8,
      end: '1/0/0',
    },
    'refuses RSET': {
      hosts: [
        {
          misdeed: (verb) =>
            verb === 'RCPT' ? '550 5.1.1 nobody' : verb === 'RSET' ? '502 never heard of it' : undefined,
        },
      ],
      profile: 'connections: 1',
      end: '0/1/0',
    },
    'gives no answer to RSET and closes': {
      hosts: [{ misdeed: (verb) => (verb === 'RCPT' ? '550 5.1.1 nobody' : verb === 'RSET' ? 'close' : undefined) }],
      end: '0/1/0',
    },
    'takes a message whose answer is lost: it comes twice': {
      hosts: [at('DOT', 'lose')],
      messages: 1,
      end: '2/0/0',
    },
    'drips bytes': { hosts: [{ dripMs: 1 }], end: '1/0/0' },
    'answers EHLO with 10,000 lines': {
      hosts: [at('EHLO', `${'250-X-NOTHING something that goes on\r\n'.repeat(10_000)}250 SIZE` as Misdeed, 2)],
      end: '1/0/0',
    },
    'answers the dot with 10,000 lines of yes': {
      hosts: [at('DOT', `${'250-taken, and this goes on\r\n'.repeat(40_000)}250 taken` as Misdeed, 2)],
      end: '1/0/0',
    },
    'answers the dot with 10,000 lines of no': {
      hosts: [always('DOT', `${'550-spam, and this goes on\r\n'.repeat(40_000)}550 spam` as Misdeed)],
      end: '0/1/0',
    },
    'is dead': { hosts: ['dead'], profile: RESTS, end: '0/0/1', says: /ECONNREFUSED/ },
    'is three that are dead': { hosts: ['dead', 'dead', 'dead'], profile: RESTS, end: '0/0/1' },
    'is dead and has a second': { hosts: ['dead', {}], end: '1/0/0' },
    'is ill and has a second': { hosts: [always('MAIL', 'reset'), {}], end: '1/0/0' },
    'is busy and has a second': { hosts: [always('CONNECT', '421 4.3.2 too busy'), {}], end: '1/0/0' },
    'has no mail service and has a second': {
      hosts: [always('CONNECT', '554 no SMTP service here'), {}],
      end: '1/0/0',
    },
    'wants less of us, and its second would take it': {
      hosts: [always('CONNECT', '421 4.7.0 too many connections from you'), {}],
      profile: RESTS,
      end: '0/0/1',
    },
    'hangs and has a second': {
      hosts: [always('CONNECT', 'hang'), {}],
      profile: 'timeouts: {greeting: 1s}',
      end: '1/0/0',
    },
  }
}
