import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Policy } from '../../config/compile'
import { CONFIG_FILE, formatProblem, loadPolicy } from '../../config/load'
import { hasSecrets } from '../../config/redact'
import { storeSpecOf } from '../../config/store-spec'
import { type Cidr, cidrText } from '../../keys/address'
import { openStore, type StoreSpec } from '../../store/open-store'
import { isLoopback, parseEndpoint } from '../endpoint'
import { whyNoStore } from '../open'
import { examineLists } from './dns-lists'
import { examineEgress } from './egress'
import { examineFeedback } from './feedback'
import { type Finding, fail, ok, type Patient, warn } from './finding'
import { hookTimeoutSeconds } from './haraka-config'
import { examineOwnAddresses } from './own-addresses'

/** Beyond this, times in the log and on the store's clock no longer fit together. */
const MOST_SKEW_MS = 1000
/** What a decision itself may take, on top of the tarpit. */
const DECISION_S = 5

/** `config/sluice.yaml`, and what it points at. */
export async function examineSluice({ dir, files }: Patient): Promise<Finding[]> {
  const loaded = loadPolicy(dir)
  if ('problems' in loaded) {
    return loaded.problems.map((problem) => fail('sluice', formatProblem(problem), 'then: sluice config check'))
  }
  const { policy } = loaded
  return [
    ok('sluice', `config/sluice.yaml is valid: ${policy.rules.length} rules`),
    ...openSecrets(policy, dir),
    ...exemptions(policy),
    ...greylisting(policy, files),
    ...heldTooLong(policy, hookTimeoutSeconds(files)),
    http(policy),
    decisions(policy, dir),
    ...relaying(files),
    ...examineEgress(policy, { files }),
    ...examineFeedback(policy, { files, dir }),
    ...(await examineLists(policy, files)),
    ...(await examineOwnAddresses(policy, { files })),
    ...(await store(policy, dir)),
  ]
}

function openSecrets({ config }: Policy, dir: string): Finding[] {
  const file = join(dir, CONFIG_FILE)
  const address = typeof config.store === 'string' ? config.store : config.store.at
  if (!hasSecrets(address) || !existsSync(file) || (statSync(file).mode & 0o004) === 0) return []
  const what = `${CONFIG_FILE} holds the password of the store, and every user of this host can read it`
  return [warn('secret', what, `chmod 640 ${CONFIG_FILE}, its group being that of the user that Haraka runs as`)]
}

/** No organisation has more: a shorter range of IPv4 is a good part of the Internet, and fc00::/7 all local addresses. */
const LEAST_BITS: Readonly<Record<Cidr['family'], number>> = { 4: 8, 6: 7 }

/** An exemption of everybody switches off what it exempts from, and nothing else shows it. */
function exemptions({ config: { trusted, jail } }: Policy): Finding[] {
  const tell = (key: string, ranges: readonly Cidr[], then: string): Finding[] => {
    const wide = ranges.filter(({ family, bits }) => bits < LEAST_BITS[family]).map(cidrText)
    if (wide.length === 0) return []
    return [warn('exempt', `${key} names ${wide.join(', ')}: ${then}`, `name your own networks in ${key}`)]
  }
  return [
    ...tell('trusted', trusted, 'no limit holds anybody there, and nobody there is greylisted or banned'),
    ...tell('jail.never', jail.never, 'the jail bans nobody there'),
  ]
}

/** RFC 6647 §5 counsels one minute to a day; beyond ten minutes people complain, below two spammers come back. */
function greylisting({ config }: Policy, files: Patient['files']): Finding[] {
  if (!files.plugins().includes('sluice/plugins/greylist')) return []
  const minutes = config.greylist.delay / 60_000
  if (minutes >= 2 && minutes <= 10) return []
  const why = minutes < 2 ? 'some spammers come back as soon' : 'people wait for their mail as long'
  return [warn('greylist', `strangers are deferred for ${Number(minutes.toFixed(1))} min: ${why}`, 'write 2m to 10m')]
}

function heldTooLong({ config }: Policy, hookTimeoutS: number): Finding[] {
  const needs = config.tarpit.longest / 1000 + DECISION_S
  if (hookTimeoutS === 0 || hookTimeoutS > needs) return []
  const what = `a client may be held ${needs} s, and Haraka ends a hook after ${hookTimeoutS} s by refusing`
  return [fail('timeout', what, `write ${needs + 1} or more into config/plugin_timeout, or lower tarpit.longest`)]
}

function http({ config: { http } }: Policy): Finding {
  if (http.listen === false) return ok('http', 'off')
  const host = parseEndpoint(http.listen)?.host ?? ''
  if (isLoopback(host)) return ok('http', http.listen)
  const what = `metrics are open to the network on ${http.listen}, without a password`
  return warn('http', what, 'set http.listen to 127.0.0.1:PORT, or let only your monitoring through')
}

function decisions({ config }: Policy, dir: string): Finding {
  const folder = resolve(dir, config.decisions.path)
  if (isWritable(folder)) return ok('decisions', folder)
  return fail('decisions', `${folder} cannot be written`, 'give the user that Haraka runs as permission')
}

/** The folder, or where it would be made. */
function isWritable(folder: string): boolean {
  if (!existsSync(folder)) return dirname(folder) !== folder && isWritable(dirname(folder))
  try {
    accessSync(folder, constants.W_OK)
    return statSync(folder).isDirectory()
  } catch {
    return false
  }
}

function relaying(files: Patient['files']): Finding[] {
  if (!files.plugins().includes('relay')) return []
  const everyone = files.list('relay_acl_allow').filter((range) => /\/0$/.test(range))
  if (everyone.length > 0) {
    const what = `config/relay_acl_allow lets everybody (${everyone.join(', ')}) send to any domain`
    return [fail('relay', what, 'name your own networks there')]
  }
  return [ok('relay', 'only the networks of config/relay_acl_allow may send to any domain')]
}

async function store(policy: Policy, dir: string): Promise<Finding[]> {
  let spec: StoreSpec
  try {
    spec = storeSpecOf(policy.config.store, dir)
  } catch (error) {
    return [fail('store', textOf(error), 'set store: in config/sluice.yaml')]
  }
  const missing = whyNoStore(spec)
  if (missing === undefined) return ping(spec)
  if (spec.kind === 'lmdb' && !isWritable(spec.path))
    return [fail('store', `${spec.path} cannot be made`, 'give the user that Haraka runs as permission')]
  return [ok('store', missing)]
}

async function ping(spec: StoreSpec): Promise<Finding[]> {
  const notices: string[] = []
  const opened = openStore(spec, {
    role: 'operator',
    onChange: () => undefined,
    onNotice: (message) => notices.push(message),
  })
  try {
    await opened.open()
    const { kind, latencyMs, clockSkewMs, keys } = await opened.ping()
    return [
      ok('store', `${kind}, ${keys} keys, answers in ${latencyMs.toFixed(1)} ms`),
      ...notices.map((notice) => warn('store', notice, 'look into the log of the server too')),
      clock(clockSkewMs),
    ]
  } catch (error) {
    return [
      fail('store', `does not answer: ${textOf(error)}`, 'see to it, or set another store: in config/sluice.yaml'),
    ]
  } finally {
    // What went wrong has been said.
    await Promise.resolve(opened.close()).catch(() => undefined)
  }
}

/** `skewMs`: the store minus this host. */
export function clock(skewMs: number): Finding {
  const text = `${(Math.abs(skewMs) / 1000).toFixed(1)} s`
  if (Math.abs(skewMs) <= MOST_SKEW_MS) return ok('clock', `within ${text} of the store's`)
  const what = `the store's clock is ${text} ${skewMs > 0 ? 'ahead of' : 'behind'} this host's`
  return warn('clock', what, 'let a time service such as chrony set both')
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
