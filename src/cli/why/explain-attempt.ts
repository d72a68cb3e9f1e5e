import { RESPONSE_CLASSES, type ResponseClass } from '../../feedback/response-class'
import { sayDuration } from '../../policy/say'
import type { DeliveryRecord } from '../../telemetry/delivery-record'
import { oneLine } from '../../telemetry/escape'
import { humanTime } from '../terminal'
import { type ExplainContext, line, utc } from './explain'

/**
 * One attempt as lines for a person: what came of it, what the host said, and when it is tried again. `last`: the last
 * attempt at the same message, when that is another one.
 */
export function explainAttempt(
  record: DeliveryRecord,
  { now, dirOption }: ExplainContext,
  last?: DeliveryRecord,
): string[] {
  const when = `${utc(record.t)}, ${humanTime(Math.max(0, now - record.t))} ago`
  const lines = [`${when}: mail for ${oneLine(recipientsText(record))} ${cameTo(record)}`]
  lines.push(line('answer', answerText(record)))
  const { about } = record
  if (about !== undefined) lines.push(line('about', aboutText(about, record.rule)))
  lines.push(line('host', hostText(record)))
  if (record.deferred > 0) lines.push(line('next', last ? sinceText(last) : nextText(record, now)))
  lines.push(line('attempt', attemptText(record)), line('path', pathText(record)))
  if (record.result !== 'delivered' && isPlainDomain(record.domain)) {
    lines.push(line('do', `sluice egress resolve ${record.domain}${dirOption} tells what holds on that way`))
  }
  lines.push(line('message', messageText(record)))
  return lines
}

/** Safe to be copied into a shell. */
function isPlainDomain(domain: string): boolean {
  return /^[a-z0-9][a-z0-9.-]*$/.test(domain)
}

/** The log has at most ten of them. */
function recipientsText({ recipients, domain, delivered, deferred, bounced }: DeliveryRecord): string {
  const [first] = recipients
  if (first === undefined) return domain
  const more = Math.max(recipients.length, delivered + deferred + bounced) - 1
  return more === 0 ? first : `${first} and ${more} more`
}

function cameTo({ result, delivered, deferred, bounced }: DeliveryRecord): string {
  switch (result) {
    case 'delivered':
      return 'was delivered'
    case 'deferred':
      return 'was deferred'
    case 'bounced':
      return 'was bounced: it is not tried again'
    case 'mixed': {
      const parts = [
        delivered > 0 ? `delivered to ${delivered}` : '',
        deferred > 0 ? `deferred for ${deferred}` : '',
        bounced > 0 ? `bounced for ${bounced}` : '',
      ]
      return `was ${parts.filter((part) => part !== '').join(', ')}`
    }
  }
}

/** What the answer was to. */
const AFTER: Readonly<Record<string, string>> = {
  connect: 'while connecting',
  greeting: 'as its greeting',
  hello: 'to EHLO',
  starttls: 'to STARTTLS',
  auth: 'to the login',
  mail: 'to MAIL FROM',
  rcpt: 'to RCPT TO',
  data: 'to DATA',
  block: 'within the message',
  dot: 'to the message',
}

function answerText({ code, enhanced, text, phase, failure }: DeliveryRecord): string {
  const where = phase === undefined ? '' : ` ${AFTER[phase] ?? `at ${phase}`}`
  if (code === 0) return `none${where}: ${[failure, text].filter((part) => part).join(': ') || 'nothing is known'}`
  const reply = [String(code), enhanced, text].filter((part) => part).join(' ')
  return `${reply.replaceAll(/\s*[\r\n]+\s*/g, ' / ')}${where === '' ? '' : ` (${where.trim()})`}`
}

/** `rate: too many messages in too short a time (rule google_rate_ip)`. */
function aboutText(about: string, rule: string | undefined): string {
  const meaning = Object.hasOwn(RESPONSE_CLASSES, about) ? `: ${RESPONSE_CLASSES[about as ResponseClass]}` : ''
  return `${about}${meaning}${rule === undefined ? '' : ` (rule ${rule})`}`
}

function hostText({ host, ip, session, tls, verified }: DeliveryRecord): string {
  if (host === undefined && ip === undefined) return 'none was asked'
  const name = [host, ip].filter((part) => part !== undefined)
  const parts = [name.length === 2 ? `${name[0]} (${name[1]})` : name[0]!]
  if (session === undefined) return [...parts, 'no session'].join(', ')
  parts.push(tls === undefined ? 'in the clear' : `${tls} ${verified ? 'verified' : 'not verified'}`)
  parts.push(session === 'new' ? 'a new session' : 'a session of an earlier message')
  return parts.join(', ')
}

function nextText({ t, retry }: DeliveryRecord, now: number): string {
  if (retry === undefined) return 'unknown'
  const left =
    retry <= now ? 'that is past: it has been tried, or waits for its path' : `${sayDuration(retry - now)} from now`
  return `${utc(retry)}, ${sayDuration(Math.max(0, retry - t))} later; ${left}`
}

/** What came of it later. */
function sinceText(last: DeliveryRecord): string {
  return `it has been tried again; the last time, at ${utc(last.t)}, it ${cameTo(last)}`
}

function attemptText({ attempts, age, waited, took, phases }: DeliveryRecord): string {
  const slow = Object.entries(phases)
    .filter(([, ms]) => ms >= 1000)
    .map(([name, ms]) => `${name} ${humanTime(ms)}`)
  const mostly = slow.length === 0 ? '' : ` (${slow.join(', ')})`
  return `${attempts}, ${humanTime(age)} after it was queued; waited ${humanTime(waited)} for its path, took ${humanTime(took)}${mostly}`
}

function pathText({ path, provider, class: mailClass }: DeliveryRecord): string {
  return `${path} (provider ${provider ?? 'unknown'}, class ${mailClass === '' ? 'unknown' : mailClass})`
}

function messageText({ sender, tenant, id, file }: DeliveryRecord): string {
  const whose = tenant === undefined ? '' : `, tenant ${tenant}`
  return `from ${sender === '<>' ? '<> (a bounce)' : sender}${whose}, id ${id}, file ${file}`
}
