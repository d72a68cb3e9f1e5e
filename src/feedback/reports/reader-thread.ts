/** The thread that reads large reports for `reader.ts`. */
import { parentPort } from 'node:worker_threads'
import { readReport } from './read-report'
import type { Question, Reply } from './reader'

parentPort?.on('message', ({ message, envelope }: Question) => {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  readReport(bytes, envelope).then(
    (report) => answer({ report }),
    (error: unknown) => answer({ problem: error instanceof Error ? error.message : String(error) }),
  )
})

function answer(reply: Reply): void {
  parentPort?.postMessage(reply)
}
