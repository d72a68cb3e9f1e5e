import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { didYouMean } from '../../config/problem'
import { packageRoot } from '../package-root'
import { type Finding, fail, ok, type Patient, warn } from './finding'

const PREFIX = 'sluice/plugins/'

/** Stock plugins that answer OK to a recipient; who stands below is not asked about it any more. */
const VALIDATES_RECIPIENTS = /^(rcpt_to\.|rcpt-|qmail-deliverable$|recipient-routes$|aliases$)/
/** Of ours, those that must see every recipient, also the ones that a validator takes. */
const SEES_RECIPIENTS = ['hardening', 'connections', 'messages', 'score', 'dnsbl', 'rdns']

/** Names and order in `config/plugins`. */
export function examinePlugins({ files }: Patient): Finding[] {
  const listed = files.plugins()
  const shipped = shippedPlugins()
  const ours = listed.filter((name) => name.startsWith(PREFIX)).map((name) => name.slice(PREFIX.length))
  const findings = [...wrongNames(listed, shipped), ...duplicates(listed), ...misplaced(listed)]
  if (ours.length === 0) {
    const mend = `add a line such as ${PREFIX}connections to config/plugins`
    findings.push(fail('plugins', 'config/plugins lists no plugin of Sluice', mend))
  }
  return findings.length > 0 ? findings : [ok('plugins', ours.join(', '))]
}

/** Names of this package's plugins. */
export function shippedPlugins(): string[] {
  return readdirSync(join(packageRoot(), 'plugins'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

function wrongNames(listed: readonly string[], shipped: readonly string[]): Finding[] {
  return listed.flatMap((name) => {
    const short = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : /^sluice(?:[/.-](.*))?$/.exec(name)?.[1]
    if (short !== undefined && name.startsWith(PREFIX) && shipped.includes(short)) return []
    if (short !== undefined || name === 'sluice') {
      const meant = didYouMean(short ?? '', shipped) ?? shipped.find((known) => short?.endsWith(known))
      const mend = meant ? `write ${PREFIX}${meant}` : `choose of ${shipped.map((known) => PREFIX + known).join(', ')}`
      return [fail('plugins', `Sluice has no plugin "${name}": Haraka will not start`, mend)]
    }
    return []
  })
}

function duplicates(listed: readonly string[]): Finding[] {
  const twice = listed.filter((name, index) => name.startsWith(PREFIX) && listed.indexOf(name) < index)
  return [...new Set(twice)].map((name) =>
    fail('plugins', `${name} is listed twice: its hooks would run twice`, 'keep the first line in config/plugins'),
  )
}

function misplaced(listed: readonly string[]): Finding[] {
  const findings: Finding[] = []
  const validator = listed.findIndex((name) => VALIDATES_RECIPIENTS.test(name))
  for (const short of SEES_RECIPIENTS) {
    const place = listed.indexOf(PREFIX + short)
    if (validator < 0 || place < validator) continue
    const what = `${PREFIX}${short} stands below ${listed[validator]}, which ends the round for each recipient it takes`
    findings.push(fail('order', what, `move ${PREFIX}${short} above ${listed[validator]} in config/plugins`))
  }
  const relay = listed.indexOf('relay')
  if (relay >= 0 && listed.indexOf(`${PREFIX}connections`) > relay) {
    const what = `${PREFIX}connections stands below relay, which ends the round for every client that may relay`
    findings.push(warn('order', what, `move ${PREFIX}connections above relay in config/plugins`))
  }
  return findings
}
