import assert from 'node:assert/strict'
import type { FeedbackEvent } from '../../../src/telemetry/events'
import { createMetrics } from '../../../src/telemetry/metrics'
import { fieldsOf, linesOf } from './lines'

function event(more: Partial<FeedbackEvent> = {}): FeedbackEvent {
  return {
    ...{ kind: 'feedback', at: 0, via: 'report', report: 'bounce', form: 'rfc3464', ignored: {}, ip: '192.0.2.7' },
    heeded: [
      { what: 'hard', provider: 'google', count: 2 },
      { what: 'soft', provider: undefined, count: 1 },
    ],
    ...{ tenant: 'acme', account: 'shop@example.com', campaign: 'july sale', message: '0E1F.1' },
    ...{ recipients: ['bob@example.net'], text: '550 5.1.1 "gone"\r\nfeedback=bounce hard=9', ...more },
  }
}
const ignored = (why: string) =>
  event({
    ...{ heeded: [], ignored: { [why]: 3 }, tenant: undefined, account: undefined, campaign: undefined },
    ...{ message: undefined, recipients: [], text: '' },
  })

describe('what is told of reports', () => {
  it('is a line for each, that nobody can write into', () => {
    assert.deepEqual(linesOf([event()]), [
      'info feedback=bounce form=rfc3464 via=report hard=2 soft=1 deferred=0 complaint=0 unsubscribe=0 ignored=0 why=-' +
        ' provider=google,other tenant=acme account=shop@example.com campaign="july\\u0020sale" id=0E1F.1 ip=192.0.2.7' +
        ' recipient=bob@example.net reason="550 5.1.1 \\"gone\\"\\u000d\\u000afeedback=bounce hard=9"',
    ])
  })

  it('is louder where it changes nothing, but for machines and repetitions', () => {
    const lines = linesOf(['forged', 'no_trace', 'auto_reply', 'repeated'].map(ignored))
    assert.deepEqual(
      lines.map((line) => [line.split(' ')[0], fieldsOf(line).why, fieldsOf(line).ignored]),
      [
        ['notice', 'forged', '3'],
        ['notice', 'no_trace', '3'],
        ['info', 'auto_reply', '3'],
        ['info', 'repeated', '3'],
      ],
    )
    assert.deepEqual(Object.keys(fieldsOf(lines[0]!)), Object.keys(fieldsOf(linesOf([event()])[0]!)))
    assert.deepEqual(linesOf([event()], false), [])
  })

  it('is counted by kind and provider, and by why', async () => {
    const { reader, registry } = createMetrics({ version: '1', processMetrics: false })
    for (const one of [event(), event(), ignored('forged'), event({ report: 'surprise' })]) reader(one)
    const text = await registry.metrics()
    for (const line of [
      'sluice_feedback_total{kind="hard",provider="google"} 6',
      'sluice_feedback_total{kind="soft",provider="other"} 3',
      'sluice_feedback_reports_total{report="bounce",via="report"} 3',
      'sluice_feedback_reports_total{report="other",via="report"} 1',
      'sluice_feedback_ignored_total{why="forged"} 3',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line}\n${text}`)
    }
    assert.doesNotMatch(text, /acme|shop@|bob@/)
  })
})
