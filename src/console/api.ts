import type { IncomingMessage } from 'node:http'
import { TokenGuard } from './token'

/** What an operator, or another program, can have done over HTTP. */
export interface ApiCall {
  readonly method: string
  /** What follows `/api/`, decoded. */
  readonly path: string
  /** The JSON object of the body; empty without one. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface ApiReply {
  readonly status: number
  /** Sent as JSON. Errors are `{error}`: what is wrong and how to mend it. */
  readonly body: unknown
}

/** Whoever serves the API. What it throws becomes 503: the store is away, say. */
export type Api = (call: ApiCall) => Promise<ApiReply>

const MOST_BODY = 16 * 1024
export const API_PREFIX = '/api/'

/** Reads, checks and answers one request to the API. Never rejects. */
export class ApiDoor {
  private readonly guard: TokenGuard

  constructor(
    token: string,
    private readonly api: Api,
  ) {
    this.guard = new TokenGuard(token)
  }

  async answer(request: IncomingMessage): Promise<ApiReply> {
    switch (this.guard.check(request.headers.authorization, Date.now())) {
      case 'later':
        return refusal(429, 'too many wrong tokens, wait a minute')
      case 'wrong':
        return refusal(
          401,
          'send the header "Authorization: Bearer TOKEN"; the token stands in the file http.token_file',
        )
      case 'ok':
    }
    try {
      const path = decodeURIComponent(request.url!.slice(API_PREFIX.length).split('?', 1)[0]!)
      const body = await readBody(request)
      if ('status' in body) return body
      return await this.api({ method: request.method ?? 'GET', path, body: body.object })
    } catch (error) {
      if (error instanceof URIError) return refusal(400, 'the path is not well encoded')
      return refusal(503, error instanceof Error ? error.message : String(error))
    }
  }
}

export function refusal(status: number, error: string): ApiReply {
  return { status, body: { error } }
}

async function readBody(request: IncomingMessage): Promise<{ readonly object: Record<string, unknown> } | ApiReply> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > MOST_BODY) return refusal(413, `a body has at most ${MOST_BODY} bytes`)
    parts.push(part)
  }
  if (length === 0) return { object: {} }
  try {
    const value = JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { object: value as Record<string, unknown> }
    }
  } catch {
    // Said below.
  }
  return refusal(400, 'the body must be one JSON object, such as {"target": "192.0.2.7", "seconds": 600}')
}
