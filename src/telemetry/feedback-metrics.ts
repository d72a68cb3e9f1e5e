import type { Registry } from 'prom-client'
import type { FeedbackEvent } from './events'
import { counter } from './series'

const REPORTS = ['bounce', 'complaint', 'unsubscribe', 'unheeded', 'unreadable']

/** Figures of what others say of our mail. A provider is named as in the config; mail to others is `other`. */
export function feedbackReader(registry: Registry): (event: FeedbackEvent) => void {
  const heeded = counter(
    'feedback_total',
    'Recipients that reports and links said something of which is heeded, by what it is',
    ['kind', 'provider'],
  ).register(registry)
  const reports = counter('feedback_reports_total', 'Reports on our mail, and uses of links in it', [
    'report',
    'via',
  ]).register(registry)
  const ignored = counter('feedback_ignored_total', 'Reports, and recipients of them, that change nothing, by why', [
    'why',
  ]).register(registry)

  return (event) => {
    reports.cell(REPORTS.includes(event.report) ? event.report : 'other', event.via).value++
    for (const { what, provider, count } of event.heeded) heeded.cell(what, provider ?? 'other').value += count
    for (const [why, count] of Object.entries(event.ignored)) ignored.cell(why).value += count
  }
}
