import { main } from '../../../src/cli/main'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command in this process and catches what it writes. */
export async function sluice(...args: readonly string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const streams = ['stdout', 'stderr'] as const
  const before = streams.map((name) => process[name].write.bind(process[name]))
  const codeBefore = process.exitCode
  for (const name of streams) {
    process[name].write = (text: string | Uint8Array): boolean => {
      written[name] += String(text)
      return true
    }
  }
  try {
    process.exitCode = undefined
    const code = await main(args)
    return { code, ...written }
  } finally {
    streams.forEach((name, index) => (process[name].write = before[index]!))
    process.exitCode = codeBefore
  }
}
