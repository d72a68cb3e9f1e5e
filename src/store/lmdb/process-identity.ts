import { readFileSync, readlinkSync } from 'node:fs'
import { uptime } from 'node:os'

/** Enough to say of another process whether it lives, even when its number was given to a newer process. */
export interface ProcessIdentity {
  readonly pid: number
  /** This boot of the host. */
  readonly boot: string
  /** The namespace in which `pid` means something: containers count for themselves. */
  readonly space: string
  /** When the process started, in the host's own words; empty where nobody says. */
  readonly born: string
}

/** Start times computed from the uptime differ by rounding and by small corrections of the clock. */
const BOOT_GRAIN_MS = 600_000

let mine: ProcessIdentity | undefined

export function whoAmI(): ProcessIdentity {
  return (mine ??= { pid: process.pid, boot: bootOf(), space: spaceOf(), born: bornOf('self') })
}

/**
 * False when the process is certainly gone. A process of another container cannot be seen from here; of such a one only
 * its heartbeat tells.
 */
export function mayLive(other: ProcessIdentity): boolean {
  const me = whoAmI()
  if (other.boot !== me.boot) return false
  if (other.space !== me.space) return true
  if (!runs(other.pid)) return false
  const born = bornOf(String(other.pid))
  return born === '' || other.born === '' || born === other.born
}

/** Milliseconds on a clock that all processes of the host share and that no correction of the time of day moves. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function bootOf(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return String(Math.round((Date.now() - uptime() * 1000) / BOOT_GRAIN_MS))
  }
}

function spaceOf(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

function bornOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name of the program may hold spaces and brackets: fields count from after the last bracket; start time is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
