import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type Envelope, readReport } from '../../../../src/feedback/reports/read-report'
import type { Origin } from '../../../../src/feedback/feedback'
import type { Report } from '../../../../src/feedback/reports/report'
import { Sealer } from '../../../../src/feedback/trace/seal'
import { writeTrace } from '../../../../src/feedback/trace/trace'

export const HEADER = 'X-Sluice-Trace'
export const SEALER = new Sealer([Buffer.alloc(32, 7)])
export const SENT_AT = Date.UTC(2026, 6, 2, 10, 0)
export const ORIGIN: Origin = {
  tenant: 'acme',
  account: 'shop@example.com',
  campaign: 'july',
  client: '192.0.2.99',
  sender: 'bounces@example.com',
  message: '0E1F2A3B-4C5D-4E6F-8A9B-0C1D2E3F4A5B.1',
}

export function traceFor(recipients: readonly string[], origin = ORIGIN, sealer = SEALER): string {
  return writeTrace(sealer, 'trace', { at: SENT_AT, origin, recipients })!
}

/** A sample with a trace in its place, folded as a server does; lines end as they do in mail. */
export function sample(name: string, trace = traceFor(['bob@example.net'])): Buffer {
  const text = readFileSync(path.join(__dirname, 'samples', `${name}.eml`), 'utf8')
  const folded = trace.replace(/(.{60})(?=.)/g, '$1\n ')
  return Buffer.from(text.replaceAll('{TRACE}', folded).replace(/\r?\n/g, '\r\n'))
}

export function envelope(known: Partial<Envelope> = {}): Envelope {
  return { sender: '', address: 'bounces', traceHeader: HEADER, ownHosts: ['mx.example.com'], ...known }
}

export function read(name: string, known: Partial<Envelope> = {}, trace?: string): Promise<Report> {
  return readReport(sample(name, trace), envelope(known))
}
