import path from 'node:path'
import { listingForMachines, listingNotice } from '../../egress/listing-notice'
import type { ListingChange } from '../../egress/own-addresses'
import { SenderGuard, type SenderStep } from '../../feedback/guard/sender-guard'
import { senderNotice, stepForMachines, toldOf } from '../../feedback/guard/sender-notice'
import { textOf } from '../guard'
import { type OutboundMail, sendOwnMail } from '../outbound/own-mail'
import type { Runtime } from '../runtime'
import type { HarakaPlugin } from '../types'
import { watchOwnAddresses } from './own-addresses'
import { readSecret } from './secret-file'
import { Webhook } from './webhook'

/** All that watches over senders, and over what they send from, in this process. */
export interface Guarding {
  close(): void
}

interface Outbound extends OutboundMail {
  readonly net_utils: { get_primary_host_name(): string }
}

/** Counts what the world says of senders' mail from now on, and tells their owners what follows from it. */
export function openGuarding(by: HarakaPlugin, runtime: Runtime): Guarding {
  const onFailure = (hook: string) => (error: unknown) =>
    runtime.reportFailure({ plugin: 'senders', hook, failure: 'error', message: textOf(error) })
  const tell = openTelling(by, runtime)
  const guard = new SenderGuard({
    policy: () => runtime.policy.automation,
    store: () => runtime.serve().store,
    steering: runtime.openSteering(),
    pardons: runtime.pardons,
    onStep: tell.step,
    onFailure: onFailure('judging senders'),
  })
  runtime.feedback.read(guard.note)
  const addresses = watchOwnAddresses(runtime, tell.listing, onFailure('looking own addresses up'))
  return {
    close() {
      addresses.close()
      tell.close()
      void guard.close()
    },
  }
}

/** Whoever is to know: the operator by the log, owners by mail, a program by its webhook. */
function openTelling(by: HarakaPlugin, runtime: Runtime) {
  const told = () => runtime.policy.automation.told
  const notice = (message: string) => runtime.stream.emit({ kind: 'notice', at: Date.now(), message })
  const webhook = new Webhook({
    url: () => told().webhook?.url,
    secret: () => readSecret(path.resolve(runtime.home, told().webhook!.secretFile)),
    onFailure: (why) => notice(`automation.webhook was not told: ${why}`),
  })
  const mail = (to: string, write: (host: string) => string) => {
    const outbound = by.haraka_require('outbound') as Outbound
    const contents = write(outbound.net_utils.get_primary_host_name())
    sendOwnMail(outbound, `<${to}>`, contents).catch((error: unknown) =>
      notice(`${to} was not told by mail: ${textOf(error)}`),
    )
  }
  return {
    step: (step: SenderStep) => {
      runtime.stream.emit(eventOf(step))
      // In shadow nobody but the operator is to know.
      if (step.action.mode === 'shadow') return
      webhook.tell(stepForMachines(step))
      for (const to of toldOf(step, told())) mail(to, (host) => senderNotice(step, { to, host }))
    },
    /** In any mode: it is so, whatever is done about it. */
    listing: (change: ListingChange) => {
      const { address, source, lists, then, at } = change
      runtime.stream.emit({ kind: 'listed', at, address, source, lists, then })
      webhook.tell(listingForMachines(change))
      const to = told().postmaster
      if (to !== undefined) mail(to, (host) => listingNotice(change, { to, host }))
    },
    close: () => webhook.close(),
  }
}

function eventOf({ kind, name, fault, action, evidence, at }: SenderStep) {
  const { id, mode, until } = action
  return { kind: 'sender', at, step: kind, of: name.kind, name: name.name, fault, id, mode, until, evidence } as const
}
