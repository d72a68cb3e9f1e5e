import { type Finding, fail, ok, type Patient, warn } from './finding'

/** Node and Haraka: `engines` of package.json, and the releases of Haraka that the suite is tested with. */
export function examineHost({ haraka, dir }: Patient, nodeVersion = process.versions.node): Finding[] {
  return [examineNode(nodeVersion), examineHaraka(haraka, dir)]
}

function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const fits = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22
  if (fits) return ok('node', version)
  return fail('node', `${version} is not supported`, 'install Node 20.19, 22.12 or later')
}

function examineHaraka(haraka: Patient['haraka'], dir: string): Finding {
  if (!haraka) return fail('haraka', 'not installed', `type: npm install haraka, in ${dir}; "sluice run" does it too`)
  const where = `${haraka.version} in ${haraka.path}`
  if (/^3\.3\./.test(haraka.version)) return ok('haraka', where)
  if (haraka.version.startsWith('3.')) {
    const [, minor = 0] = haraka.version.split('.').map(Number)
    if (minor > 3) return warn('haraka', `${where}; Sluice is tested with 3.3`, 'watch the log after an upgrade')
  }
  return fail('haraka', `${where}; Sluice needs 3.3`, 'type: npm install haraka@^3.3.4')
}
