import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Policy } from '../../config/compile'
import { type Finding, type Patient, ok, warn } from './finding'

/** What keeps reports on our mail from being read, or from being tied to it. */
export function examineFeedback({ feedback }: Policy, { files, dir }: Pick<Patient, 'files' | 'dir'>): Finding[] {
  const lists = (plugin: string) => files.plugins().includes(`sluice/plugins/${plugin}`)
  const findings: Finding[] = []
  if (feedback.addresses.size > 0 && !lists('feedback')) {
    const what = 'feedback in config/sluice.yaml names addresses, and no plugin reads what comes to them'
    findings.push(
      warn('feedback', what, 'add sluice/plugins/feedback to config/plugins, here or where that mail comes to'),
    )
  }
  if (feedback.addresses.size > 0 && feedback.traceHeader === undefined) {
    const what = 'feedback.trace is false: no report can be tied to a message, and all of them change nothing'
    findings.push(warn('feedback', what, 'give feedback.trace the name of a header field, such as X-Sluice-Trace'))
  }
  if (feedback.unsubscribeUrl !== undefined && !lists('egress')) {
    const what = 'feedback.unsubscribe_url is set, and no plugin puts links into mail'
    findings.push(warn('feedback', what, 'add sluice/plugins/egress to config/plugins, here or where that mail leaves'))
  }
  if (findings.length > 0 || feedback.addresses.size === 0) return findings
  const keys = existsSync(join(dir, feedback.keyFile)) ? '' : `; ${feedback.keyFile} is made with the first message`
  return [ok('feedback', `reports are read at ${[...feedback.addresses.keys()].join(', ')}${keys}`)]
}
