import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { hasSecrets } from '../../config/redact'
import { packageRoot } from '../package-root'
import type { Choice } from './choice'
import { setYaml } from './set-yaml'

/** A file to write, relative to the Haraka directory. */
export interface HarakaFile {
  readonly content: string
  /** Permission bits. */
  readonly mode: number
}

type Fill = (text: string, choice: Choice) => string

/** What differs from the shipped config; every other file is taken as it is. */
const FILLED: Readonly<Record<string, Fill>> = {
  'smtp.ini': (text, { smtp, nodes }) => setIni(setIni(text, 'listen', smtp), 'nodes', nodes),
  me: (_text, { domain }) => `mail.${domain}\n`,
  host_list: (text, { domain }) => list(text, [domain, 'localhost']),
  relay_acl_allow: (text, { trusted }) => list(text, trusted),
  // A copy would hold its figures and rules for ever, whatever later releases know.
  'sluice/providers.yaml': () => OWN_PROVIDERS,
  'sluice/responses.yaml': () => OWN_RESPONSES,
  'sluice.yaml': (text, { mode, store, trusted, http }) =>
    [
      { path: ['mode'], value: mode },
      { path: ['store'], value: store },
      { path: ['trusted'], value: trusted },
      { path: ['http', 'listen'], value: http },
    ].reduce((filled, { path, value }) => setYaml(filled, path, value), text),
}

const OWN_PROVIDERS = `# Your own figures for mail that goes out, laid over those that Sluice ships; read again when you save it. What holds
# for somebody, and which line says so:  sluice egress resolve someone@example.com
#
#providers:
#  google:
#    connections: 3
#    message_rate: 20/s
#domains:
#  example.com:
#    tls: required
`

const OWN_RESPONSES = `# Your own rules for what answers of other mail servers mean, asked before those that Sluice ships; read again when you
# save it. One of the name of a shipped rule replaces that; \`name: false\` removes it. What each key says stands at the head of
# node_modules/haraka-plugin-sluice/config/sluice/responses.yaml. Try it:  sluice feedback classify "421 4.7.28 Slow down"
#
#responses:
#  example_slow_down:
#    provider: google
#    code: '4'
#    enhanced: 4.7.28
#    says: [slow down]
#    and: [your ip address]
#    class: rate
#    scope: source
#    is: ['421 4.7.28 Slow down, your IP address sends too much']
`

/** Secrets of this package's own checkout stay there. */
const NEVER_COPIED = new Set(['internalcmd_key'])

/**
 * Every file of a Haraka directory, by path: the `config/` of this package, which this repository itself runs on, with
 * the choice filled in.
 */
export function harakaFiles(choice: Choice): Map<string, HarakaFile> {
  const shipped = join(packageRoot(), 'config')
  const files = new Map<string, HarakaFile>()
  for (const entry of readdirSync(shipped, { withFileTypes: true, recursive: true })) {
    const file = join(entry.parentPath, entry.name)
    const name = relative(shipped, file)
    if (!entry.isFile() || NEVER_COPIED.has(name)) continue
    const text = readFileSync(file, 'utf8')
    const mode = name === 'sluice.yaml' && hasSecrets(choice.store) ? 0o600 : 0o644
    files.set(join('config', name), { content: FILLED[name]?.(text, choice) ?? text, mode })
  }
  // With it, only who can read the file may tell Haraka to restart or flush its queue.
  files.set(join('config', 'internalcmd_key'), { content: randomBytes(32).toString('hex'), mode: 0o600 })
  return files
}

function setIni(text: string, key: string, value: string): string {
  return text.replace(new RegExp(`^${key}=.*$`, 'm'), () => `${key}=${value}`)
}

/** The comments of a list file, then other entries. */
function list(text: string, entries: readonly string[]): string {
  const comments = text.split('\n').filter((line) => line.startsWith('#'))
  return [...comments, ...entries].join('\n') + '\n'
}
