/**
 * Settles as `work` does, or rejects with `late()` after `ms` milliseconds.
 *
 * When the time is up the reply may already lie in the socket, because it was this process that was busy. So one turn of
 * the event loop reads what has arrived before we give up: a long turn of ours is not an outage of the other side.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(late())), ms)
    work.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  })
}
