import type { IncomingMessage } from 'node:http'

/** Links in our mail by which people say that they want no more (RFC 8058). */
export interface Links {
  /** Whether a link is one of ours. */
  knows(token: string): boolean
  /** It was used. False when it is none of ours; rejects when that cannot be told at the moment, and nothing is done. */
  use(token: string): Promise<boolean>
}

export interface PageReply {
  readonly status: number
  /** HTML. */
  readonly body: string
  /** The rest of the request is not read: the socket ends with this answer. */
  readonly ends?: true
}

export const UNSUBSCRIBE_PREFIX = '/unsubscribe/'
/** No link of ours is longer. */
const MOST_TOKEN = 6000
const MOST_BODY = 4096

/**
 * Answers `POST /unsubscribe/TOKEN` and shows a page with a button for `GET`: programs that look at every link of a mail
 * must not unsubscribe anybody. The token is all that is needed; cookies and logins are not looked at. Never rejects.
 */
export class UnsubscribeDoor {
  constructor(private readonly links: Links) {}

  async answer(request: IncomingMessage): Promise<PageReply> {
    const token = request.url!.slice(UNSUBSCRIBE_PREFIX.length).split('?', 1)[0]!
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      return { status: 405, body: page('Not possible', 'This link can be opened, and no more.'), ends: true }
    }
    if (token.length > MOST_TOKEN || !this.links.knows(token)) return { ...UNKNOWN, ends: true }
    if (method !== 'POST') return { status: 200, body: ASK }
    const body = await readBody(request)
    if (body === undefined) return { status: 413, body: page('Too much', 'Nothing was changed.'), ends: true }
    if (!saysOneClick(body, request.headers['content-type'] ?? '')) {
      return { status: 400, body: page('Nothing was changed', 'The request does not say List-Unsubscribe=One-Click.') }
    }
    try {
      return (await this.links.use(token)) ? DONE : UNKNOWN
    } catch {
      return { status: 503, body: page('Not just now', 'Please try again in a minute.') }
    }
  }
}

/** Undefined when there is more than allowed, or the client goes away. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += part.length
      if (length > MOST_BODY) return undefined
      parts.push(part)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(parts).toString('utf8')
}

/** RFC 8058 §3.1: one pair, as a form of either kind. */
function saysOneClick(body: string, type: string): boolean {
  if (!/^multipart\/form-data\b/i.test(type)) {
    return new URLSearchParams(body.trim()).get('List-Unsubscribe') === 'One-Click'
  }
  const [head, value] = body.split(/\r?\n\r?\n/, 2)
  return /name="?List-Unsubscribe"?/i.test(head ?? '') && /^One-Click\s*(?:\r?\n--|$)/.test(value ?? '')
}

function page(title: string, text: string, form = ''): string {
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<meta name="robots" content="noindex"><title>${title}</title>` +
    '<style>body{font:1.1em/1.5 sans-serif;max-width:30em;margin:4em auto;padding:0 1em}button{font:inherit;padding:.5em 1em}</style>' +
    `</head><body><h1>${title}</h1><p>${text}</p>${form}</body></html>\n`
  )
}

const ASK = page(
  'Unsubscribe',
  'You will get no more mail of this kind at the address that this link was sent to.',
  '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>Unsubscribe</button></form>',
)
const DONE: PageReply = {
  status: 200,
  body: page('You are unsubscribed', 'It may take a little until the last message that is under way has come.'),
}
const UNKNOWN: PageReply = {
  status: 404,
  body: page('This link is not known', 'It may have been cut in two: open it from the message once more.'),
}
