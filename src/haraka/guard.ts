import { CONT, type Code, type Connection, type DsnReply, type HarakaPlugin, type Hook, type Next } from './types'

/** What a hook of ours answers; undefined goes on to the next plugin. */
export interface Reply {
  readonly code: Code
  readonly message?: string | DsnReply
}

export type Answer = Reply | undefined

export interface GuardFailure {
  readonly plugin: string
  readonly hook: string
  readonly failure: 'error' | 'deadline'
  readonly message: string
}

/** What the guard needs of the runtime. */
export interface GuardContext {
  /** Far below Haraka's own hook timeout of 30 s, which answers with a refusal. */
  readonly deadlineMs: number
  reportFailure(failure: GuardFailure): void
}

/** The body of a hook: returns what to answer. It may throw or reject; the guard goes on. */
export type HookBody<Context> = (context: Context, connection: Connection, params: unknown) => Answer | Promise<Answer>

/**
 * Wraps a hook so that Haraka's promises hold whatever the body does: `next` is called exactly once, before the
 * deadline, and a failure lets the mail go on (fail open). An async hook that rejects would end the whole process.
 */
export function guard<Context extends GuardContext>(
  plugin: string,
  hook: string,
  contextOf: (plugin: HarakaPlugin) => Context,
  body: HookBody<Context>,
): Hook {
  return function guarded(next, connection, params) {
    const context = contextOf(this)
    let answer: Answer | Promise<Answer>
    try {
      answer = body(context, connection, params)
    } catch (error) {
      context.reportFailure({ plugin, hook, failure: 'error', message: textOf(error) })
      return next()
    }
    if (answer instanceof Promise) awaitAnswer(answer, next, { plugin, hook }, context)
    else say(next, answer)
  }
}

function awaitAnswer(
  answer: Promise<Answer>,
  next: Next,
  where: { plugin: string; hook: string },
  context: GuardContext,
): void {
  let answered = false
  const finish = (value: Answer, failure?: Pick<GuardFailure, 'failure' | 'message'>) => {
    if (answered) return
    answered = true
    clearTimeout(timer)
    if (failure) context.reportFailure({ ...where, ...failure })
    say(next, value)
  }
  const { deadlineMs } = context
  const timer = setTimeout(
    () => finish(undefined, { failure: 'deadline', message: `no answer within ${deadlineMs} ms` }),
    deadlineMs,
  )
  answer.then(
    (value) => finish(value),
    (error: unknown) => finish(undefined, { failure: 'error', message: textOf(error) }),
  )
}

function say(next: Next, answer: Answer): void {
  if (answer === undefined || answer.code === CONT) next()
  else next(answer.code, answer.message)
}

/** An error as the log tells of it. */
export function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
