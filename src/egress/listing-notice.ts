import { noticeMail } from './notice-mail'
import type { ListingChange } from './own-addresses'

const THEN: Readonly<Record<ListingChange['then'], string>> = {
  resting: 'The source rests until it is off the list; others of its pool send in its place.',
  shadow: 'The source would rest, but automation.mode is not enforce: it goes on.',
  alone: 'The source goes on, since no other one of its pool is unlisted.',
  free: 'The source sends as usual.',
}

/** What is told by mail of it, as a whole message. */
export function listingNotice(
  { address, source, lists, evidence, then, at }: ListingChange,
  { to, host }: { readonly to: string; readonly host: string },
): string {
  const isListed = lists.length > 0
  const help = 'What to do: "We are listed" in docs/runbook.md. What lists say of it now: sluice doctor.'
  return noticeMail({
    ...{ to, host, at, subject: `${address} is ${isListed ? 'on' : 'off all'} block lists` },
    id: `listed.${address.replace(/[^0-9a-f.]/g, '-')}.${at}`,
    paragraphs: [`${evidence}. Mail leaves from it as source ${source}.`, THEN[then], ...(isListed ? [help] : [])],
  })
}

/** The same for a program. */
export function listingForMachines({ address, source, lists, evidence, then, at }: ListingChange): object {
  const event = lists.length > 0 ? 'listed' : 'delisted'
  return { event, address, source, lists, then, evidence, at: new Date(at).toISOString() }
}
