import { oneLine, quoted, token } from './escape'
import type { ListedEvent, SenderEvent } from './events'
import type { LineLog } from './line-log'

const MOST_TEXT = 600

/** What is ordered has a line of its own, `action=order`; that it is over has none. Names are of senders' choice: they come last. */
export function saySenderStep(event: SenderEvent, log: Pick<LineLog, 'notice'>): void {
  const { step, of, mode, fault, id, evidence, name } = event
  if (step !== 'recover') return
  log.notice(
    `action=recover order=${token(id)} origin=guard mode=${mode} of=${token(of)} fault=${token(fault)}` +
      ` why=${quoted(evidence, MOST_TEXT)} name=${quoted(name)}`,
  )
}

const THEN: Readonly<Record<ListedEvent['then'], string>> = {
  resting: 'the source rests, others of its pool send',
  shadow: 'the source would rest, but automation.mode is shadow',
  alone: 'the source goes on, since no other one of its pool is unlisted',
  free: 'the source sends as usual',
}

export function sayListed({ address, source, lists, then }: ListedEvent, log: Pick<LineLog, 'notice' | 'warn'>): void {
  const what = `${address} (source ${source})`
  if (lists.length === 0) log.notice(oneLine(`own address off all lists: ${what}; ${THEN[then]}`))
  else log.warn(oneLine(`own address listed: ${what} is on ${lists.join(', ')}; ${THEN[then]}`))
}
