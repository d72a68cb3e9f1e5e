/** Time, as far as the scheduler needs it; tests bring their own. */
export interface Timers {
  /** Milliseconds; never goes back. */
  now(): number
  /** Calls once after so many milliseconds; what it returns calls it off. Keeps no process alive. */
  after(ms: number, call: () => void): () => void
}

export const REAL_TIMERS: Timers = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
