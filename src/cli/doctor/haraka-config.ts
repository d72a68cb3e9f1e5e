import { type HarakaDirectory, type Ini, valueOf } from '../haraka-directory'
import { type Finding, fail, ok, orFine, type Patient, warn } from './finding'

/** Without one of these, Haraka 3.3 throws in the middle of the first greeting or command. */
const VITAL_SECTIONS = ['max', 'message', 'uuid']
/** Without one of these, Haraka falls back on defaults, among them a version for all to see. */
const OTHER_SECTIONS = ['main', 'haproxy', 'headers']
const COPY = 'copy the file that "sluice init" makes'
const HARAKA_HOOK_TIMEOUT_S = 30

/** Haraka's own files, where they make Sluice, or every session, fail. */
export function examineHarakaConfig({ files }: Patient): Finding[] {
  return [...connectionIni(files), pluginTimeout(files), ...shutdown(files)]
}

function connectionIni(files: HarakaDirectory): readonly Finding[] {
  const ini = files.ini('connection.ini')
  if (!ini) return [fail('connection', 'config/connection.ini is missing: every session would hang', COPY)]
  const findings = [
    ...missingSections(ini, VITAL_SECTIONS, fail, 'every session would hang'),
    ...missingSections(ini, OTHER_SECTIONS, warn, 'Haraka decides what holds'),
  ]
  if (valueOf(ini, 'headers', 'show_version') !== 'false') {
    const what = 'Haraka shows its version in the greeting and in Received headers'
    findings.push(warn('connection', what, 'set show_version=false under [headers] in config/connection.ini'))
  }
  return orFine('connection', findings, 'config/connection.ini is complete')
}

function missingSections(ini: Ini, sections: readonly string[], level: typeof fail, effect: string): Finding[] {
  const missing = sections.filter((section) => !ini.has(section)).map((section) => `[${section}]`)
  if (missing.length === 0) return []
  const what = `config/connection.ini has no ${missing.join(', ')}: ${effect}`
  return [level('connection', what, `add ${missing.length === 1 ? 'it' : 'them'}, or ${COPY}`)]
}

/** Haraka refuses, or worse, when a hook takes longer; the longest of ours is a client held in the tarpit. */
function pluginTimeout(files: HarakaDirectory): Finding {
  const seconds = hookTimeoutSeconds(files)
  if (seconds === 0) {
    const what = 'plugin_timeout is 0: a plugin that hangs holds its client for ever'
    return warn('timeout', what, `write ${HARAKA_HOOK_TIMEOUT_S} into config/plugin_timeout, or remove the file`)
  }
  return ok('timeout', `hooks may take ${seconds} s`)
}

/** Haraka's limit for one hook, in seconds; 0 for none. */
export function hookTimeoutSeconds(files: HarakaDirectory): number {
  const seconds = Number.parseFloat(files.text('plugin_timeout') ?? '')
  return Number.isNaN(seconds) ? HARAKA_HOOK_TIMEOUT_S : seconds
}

function shutdown(files: HarakaDirectory): Finding[] {
  if (valueOf(files.ini('smtp.ini'), 'main', 'graceful_shutdown') === 'true') return []
  const what = 'Haraka ends at once on a signal: deliveries under way are cut off, and Sluice cannot say goodbye'
  return [warn('shutdown', what, 'set graceful_shutdown=true in config/smtp.ini')]
}
