import { execFile } from 'node:child_process'
import path from 'node:path'

const BIN = path.resolve(__dirname, '../../bin/sluice.js')

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command `sluice`, in a process of its own: several may run at a time. */
export function sluice(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [BIN, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}
