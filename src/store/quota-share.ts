import type { Ask } from './store'

/**
 * What one of `nodes` processes may admit by itself, so that all of them together stay within the limits: each limit,
 * burst and rate divided by the number of processes, rounded down, but at least 1. A limit of 0 stays 0.
 *
 * A share is never smaller than what is asked, as long as that fits the whole limit: else a message to 20 recipients
 * could pass nowhere during an outage, and would be told that it never can.
 *
 * What only a store with memory can judge holds up nobody: this process knows no triplets and few of the values, so
 * everybody would be new to it, and few of the merits, so it would refuse those whom the shared store excuses. Merits
 * answer from what was sampled here.
 */
export function shareOf(asks: readonly Ask[], nodes: number): readonly Ask[] {
  if (nodes <= 1 && !asks.some(needsMemory)) return asks
  return asks.map((ask) => {
    const share = shareOfAsk(ask, Math.max(1, nodes))
    return needsMemory(ask) ? { ...share, enforced: false } : share
  })
}

/** Whether this is asked of what a store remembers of somebody, so that a store which knows nothing refuses too many. */
function needsMemory({ op, unless }: Ask): boolean {
  return op === 'triplet' || op === 'distinct' || unless !== undefined
}

function shareOfAsk(ask: Ask, nodes: number): Ask {
  switch (ask.op) {
    case 'window': {
      const windows = ask.windows.map(({ limit, windowMs }) => ({ limit: divide(limit, nodes, ask.cost), windowMs }))
      return { ...ask, windows }
    }
    case 'rate':
      return { ...ask, burst: divide(ask.burst, nodes, ask.cost), intervalMs: ask.intervalMs * nodes }
    case 'lease':
      return { ...ask, limit: divide(ask.limit, nodes, 1) }
    case 'triplet':
    case 'merit':
    case 'distinct':
      return ask
  }
}

function divide(limit: number, nodes: number, cost: number): number {
  if (limit < 1) return limit
  return Math.max(1, Math.floor(limit / nodes), Math.min(cost, limit))
}
