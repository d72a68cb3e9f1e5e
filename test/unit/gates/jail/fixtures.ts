import assert from 'node:assert/strict'
import { entryOf } from '../../../../src/gates/jail/ban-entry'
import type { JailPolicy } from '../../../../src/gates/jail/jail-policy'
import { CidrMap, type IpAddress, parseCidr, parseIp } from '../../../../src/keys/address'
import { type Ban, type BanTarget, readTarget } from '../../../../src/policy/ban'
import type { Client } from '../../../../src/policy/subject'
import type { BoardEntry } from '../../../../src/store/store'

export const AT = Date.UTC(2026, 10, 22, 3, 41)
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export function targetOf(text: string): BanTarget {
  const read = readTarget(text)
  return 'target' in read ? read.target : assert.fail(read.problem)
}

export function banOn(text: string, changes: Partial<Ban> = {}): Ban {
  return { target: targetOf(text), origin: 'operator', reason: 'floods us', since: AT, until: AT + HOUR, ...changes }
}

export function addressOf(ip: string) {
  return parseIp(ip) ?? assert.fail(`${ip} is no address`)
}

export function clientAt(ip: string): Client {
  return { ip, address: addressOf(ip), trusted: false }
}

export function networks(...texts: readonly string[]): CidrMap<true> {
  return new CidrMap(texts.map((text) => [parseCidr(text)!, true]))
}

/** Whether an address is in one of these networks. */
export function isIn(...texts: readonly string[]) {
  const ranges = networks(...texts)
  return (address: IpAddress) => ranges.find(address) === true
}

export function jailPolicy(changes: Partial<JailPolicy> = {}): JailPolicy {
  return {
    mode: { kind: 'enforce' },
    remedy: 'defer',
    points: { auth: 1, unknown_recipient: 1, relay: 1, protocol: 1, junk: 1, probe: 1, early: 3, listed: 1 },
    client: [{ limit: 3, windowMs: 10 * MINUTE }],
    account: [{ limit: 5, windowMs: 10 * MINUTE }],
    clientAccount: [{ limit: 2, windowMs: 10 * MINUTE }],
    slowMs: 5000,
    offenders: 2,
    sentencing: { firstMs: 10 * MINUTE, longestMs: 7 * DAY },
    memoryMs: 60 * DAY,
    never: new CidrMap(),
    ...changes,
  }
}

/** What stands on the board for an operator's ban. */
export function boardEntry(target: string): BoardEntry {
  return entryOf(banOn(target))
}
