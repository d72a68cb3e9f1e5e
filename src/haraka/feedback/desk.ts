import path from 'node:path'
import type { Policy } from '../../config/compile'
import { lookupMx } from '../../dns/mx'
import type { DnsResolver } from '../../dns/resolver'
import type { EgressRules } from '../../egress/rules'
import type { Classifier } from '../../feedback/classifier'
import { countedOf } from '../../feedback/counters'
import type { Feedback, FeedbackStream } from '../../feedback/feedback'
import { Intake, type Taken } from '../../feedback/reports/intake'
import type { Envelope } from '../../feedback/reports/read-report'
import { ReportReader, ReaderBusy } from '../../feedback/reports/reader'
import type { Report } from '../../feedback/reports/report'
import { readKeys } from '../../feedback/trace/key-file'
import type { Sealer } from '../../feedback/trace/seal'
import { readTrace } from '../../feedback/trace/trace'
import type { Store } from '../../store/store'
import type { EventStream, FeedbackEvent } from '../../telemetry/events'

export { ReaderBusy }

export interface DeskOptions {
  readonly home: string
  readonly policy: () => Policy
  readonly rules: () => EgressRules
  readonly responses: () => Classifier
  readonly resolver: () => DnsResolver
  readonly store: () => Store
  readonly feedback: FeedbackStream
  readonly stream: EventStream
  /** Resolves when what was told is kept for good, such as who is suppressed. Must not reject. */
  readonly settled: () => Promise<void>
  readonly onFailure: (hook: string, error: unknown) => void
}

const MOST_TOLD = 10
/** A store that is slower is not waited for: hooks and those who click want their answer. */
const MOST_SETTLING_MS = 400

/** Where reports are read, what is heeded of them is told, and every one is an event. */
export class FeedbackDesk {
  private sealing: { readonly sealer: Sealer | undefined } | undefined
  private readonly reader = new ReportReader()

  constructor(private readonly options: DeskOptions) {}

  /** The keys of traces, read once; undefined, and said in the log, when there are none to be had. */
  get sealer(): Sealer | undefined {
    this.sealing ??= { sealer: this.readSealer() }
    return this.sealing.sealer
  }

  /**
   * Reads a report and tells what is heeded of it. Resolves, when that is kept, with what it was taken for; `unreadable` when it could not be
   * read. Rejects with {@link ReaderBusy} alone: then it is to come again.
   */
  async take(message: Buffer, envelope: Envelope, ip: string): Promise<Report['kind'] | 'other' | 'unreadable'> {
    let report: Report
    try {
      report = await this.reader.read(message, envelope)
    } catch (error) {
      if (error instanceof ReaderBusy) throw error
      const text = error instanceof Error ? error.message : String(error)
      this.emit({ report: 'unreadable', form: '-', via: 'report', ip, text }, nothing('unreadable'))
      return 'unreadable'
    }
    const { sealer } = this
    const taken = sealer ? await this.intake(sealer).take(report) : nothing('no_keys')
    await this.tell(taken.said)
    this.emit({ report: report.kind, form: report.form, via: 'report', ip, text: textOf(report) }, taken)
    return report.kind === 'unheeded' && report.why === 'other' ? 'other' : report.kind
  }

  /** Whether a link is one of ours. */
  knows(token: string): boolean {
    return this.sealer !== undefined && readTrace(this.sealer, 'unsubscribe', token) !== undefined
  }

  /** Somebody has followed a link. False when it is none of ours. */
  async use(token: string): Promise<boolean> {
    const taken = this.sealer && (await this.intake(this.sealer).unsubscribe(token))
    if (!taken) return false
    await this.tell(taken.said)
    this.emit({ report: 'unsubscribe', form: 'one-click', via: 'link', ip: undefined, text: '' }, taken)
    return true
  }

  close(): void {
    this.reader.close()
  }

  /** Whoever reported believes that it is done when he has his answer, and does not come again. */
  private async tell(said: readonly Feedback[]): Promise<void> {
    if (said.length === 0) return
    this.options.feedback.tell(said)
    let timer: NodeJS.Timeout | undefined
    const isLate = new Promise<void>((resolve) => (timer = setTimeout(resolve, MOST_SETTLING_MS)))
    await Promise.race([this.options.settled(), isLate])
    clearTimeout(timer)
  }

  private readSealer(): Sealer | undefined {
    const { home, policy, stream } = this.options
    const notice = (message: string) => stream.emit({ kind: 'notice', at: Date.now(), message })
    try {
      return readKeys(path.resolve(home, policy().feedback.keyFile), notice)
    } catch (error) {
      notice(
        `feedback: mail bears no trace, and reports change nothing: ${error instanceof Error ? error.message : String(error)}`,
      )
      return undefined
    }
  }

  private intake(sealer: Sealer): Intake {
    const { policy, rules, responses, resolver, store, onFailure } = this.options
    return new Intake({
      sealer,
      classifier: responses,
      store,
      expiresMs: () => policy().feedback.expiresMs,
      clock: Date.now,
      onFailure: (error) => onFailure('once', error),
      providerOf: async (domain) => {
        const found = await lookupMx(resolver(), domain)
        const hosts = 'hosts' in found ? found.hosts.map(({ host }) => host) : [domain]
        return rules().index.providerOf(domain, hosts)
      },
    })
  }

  private emit(
    what: Pick<FeedbackEvent, 'report' | 'form' | 'via' | 'ip' | 'text'>,
    { said, ignored, trace }: Pick<Taken, 'said' | 'trace'> & { readonly ignored: ReadonlyMap<string, number> },
  ): void {
    const { tenant, account, campaign, message } = trace?.origin ?? {}
    this.options.stream.emit({
      kind: 'feedback',
      at: Date.now(),
      ...what,
      heeded: figuresOf(said),
      ignored: Object.fromEntries(ignored),
      ...{ tenant, account, campaign, message },
      recipients: said.slice(0, MOST_TOLD).map(({ recipient }) => recipient),
    })
  }
}

function figuresOf(said: readonly Feedback[]): FeedbackEvent['heeded'] {
  const figures = new Map<string, { what: string; provider: string | undefined; count: number }>()
  for (const one of said) {
    const what = countedOf(one)
    const key = `${what} ${one.provider ?? ''}`
    const known = figures.get(key)
    if (known) known.count++
    else figures.set(key, { what, provider: one.provider, count: 1 })
  }
  return [...figures.values()]
}

function textOf(report: Report): string {
  switch (report.kind) {
    case 'bounce':
      return report.recipients[0]?.diagnostic.slice(0, 1000) ?? ''
    case 'complaint':
      return report.feedbackType
    case 'unsubscribe':
    case 'unheeded':
      return ''
  }
}

function nothing(why: string) {
  return { said: [], trace: undefined, ignored: new Map([[why, 1]]) }
}
