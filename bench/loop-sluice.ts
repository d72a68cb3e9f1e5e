import path from 'node:path'
import { shippedProviders } from '../src/config/providers/read'
import { readResponses } from '../src/config/responses/read'
import { CONTROLLER_DEFAULTS, compileController, controllerSchema } from '../src/config/sections/egress-controller'
import { Attempt } from '../src/egress/attempt'
import { Controller, type Stepped } from '../src/egress/controller'
import type { ControllerPolicy } from '../src/egress/controller-policy'
import { Dispatcher } from '../src/egress/dispatcher'
import type { Waiting } from '../src/egress/fair-queue'
import type { Grant } from '../src/egress/path-dispatcher'
import type { EgressProfile } from '../src/egress/profile'
import { hintOf, nextAttempt } from '../src/egress/retry'
import { type ResolvedPath, resolvePath } from '../src/egress/rules'
import { parseReply } from '../src/egress/smtp-reply'
import { Steering } from '../src/egress/steering'
import { limitsUnder, stretchUnder } from '../src/egress/steering-limits'
import { Answers } from '../src/feedback/answers'
import { pathOutcome } from '../src/feedback/path-outcome'
import { MemoryStore } from '../src/store/memory/memory-store'
import type { Message, Sender, World } from './loop-world'

/** The shipped `egress.lifetime` and `egress.bounce_lifetime`. */
const LIFETIMES = { lifetimeMs: 86_400_000, bounceLifetimeMs: 14_400_000 }
const HOME = path.join(__dirname, '..')
const MX = 'gmail-smtp-in.l.google.com'

/** The controller as it ships, but enforced. */
export const SHIPPED_CONTROLLER: ControllerPolicy = {
  ...compileController(controllerSchema.parse(CONTROLLER_DEFAULTS)),
  mode: { kind: 'enforce' },
}

export interface SluiceOptions {
  /** In place of what the shipped profile of Gmail says. */
  readonly profile?: Partial<Pick<EgressProfile, 'connections' | 'messageRate'>>
  /** Undefined: limits stay as they are. */
  readonly controller: ControllerPolicy | undefined
}

interface Delivery extends Waiting {
  readonly message: Message
}

/** Sluice's own code from the queue to the answer, in one process with a store of its own. */
export class SluiceSender implements Sender {
  readonly steps: Stepped[] = []
  private readonly path: ResolvedPath
  private readonly profile: EgressProfile
  private readonly answers = shippedAnswers()
  private readonly dispatcher: Dispatcher<Delivery>
  private readonly controller: Controller | undefined
  private readonly steering: Steering

  private constructor(
    private readonly world: World,
    store: MemoryStore,
    { profile, controller }: SluiceOptions,
  ) {
    const clock = () => world.time.now()
    this.path = resolvePath(shippedProviders(), { domain: 'gmail.com', mx: [MX], source: 'default' })
    this.profile = { ...this.path.profile, ...profile }
    const shared = { store: () => store, clock, onFailure: fail }
    const steering = new Steering(shared)
    steering.follow(store)
    this.steering = steering
    this.dispatcher = new Dispatcher((name) => ({
      ...shared,
      path: name,
      timers: world.time,
      limits: () => limitsUnder(this.profile, steering.ordersOf(name)),
      send: (grant) => this.send(grant),
    }))
    steering.onChange((name) => this.dispatcher.pump(name))
    if (!controller) return
    const onStep = (stepped: Stepped) => this.steps.push(stepped)
    this.controller = new Controller({ ...shared, policy: () => controller, steering, onStep })
  }

  static async open(world: World, options: SluiceOptions): Promise<SluiceSender> {
    const store = new MemoryStore({ clock: () => world.time.now() })
    const sender = new SluiceSender(world, store, options)
    await store.open()
    return sender
  }

  add(message: Message): void {
    const { id } = message
    const waiting = { id, mailClass: 'system', tenant: 'example.org', dueAt: this.world.time.now() } as const
    this.dispatcher.add(this.path.path, { ...waiting, message })
  }

  private send({ item: { message }, end }: Grant<Delivery>): void {
    const begunAt = this.world.time.now()
    this.world.attempt(message, (said) => {
      const isDelivered = this.learn(said, begunAt)
      end()
      if (isDelivered) this.world.end(message, 'delivered')
      else this.defer(message, said)
    })
  }

  /** Whether the message was delivered. Gmail says what it has to say of rates after the final dot. */
  private learn(said: string, begunAt: number): boolean {
    const attempt = new Attempt(['someone@gmail.com'], this.answers.readerFor(this.path.provider))
    attempt.tries({ host: MX, ip: undefined, port: 25 })
    attempt.replied('rcpt', parseReply(['250 2.1.5 OK']))
    attempt.replied('dot', parseReply([said]))
    const cause = attempt.lastCause
    const answer = cause?.kind === 'reply' ? this.answers.read(cause.reply, cause.phase, this.path.provider) : undefined
    const outcome = pathOutcome(attempt, answer, begunAt, this.world.time.now())
    if (outcome) this.controller?.note(this.path.path, outcome)
    return attempt.outcome.delivered === 1
  }

  private defer(message: Message, said: string): void {
    const { time, random } = this.world
    const deferred = { ...message, isBounce: false, hintMs: hintOf(said) }
    const stretch = stretchUnder(this.steering.ordersOf(this.path.path))
    const following = nextAttempt({ ...this.profile.retry, ...LIFETIMES, stretch }, deferred, time.now(), random)
    if ('expired' in following) return this.world.end(message, 'bounced')
    time.afterSeconds(Math.ceil(following.afterMs / 1000), () => this.add(message))
  }
}

function shippedAnswers(): Answers {
  const { outcome } = readResponses(HOME, path.join(HOME, 'config'), [...shippedProviders().providers.keys()])
  if ('problems' in outcome) throw new Error('the shipped rules cannot be used: sluice feedback classify says why')
  return new Answers(() => outcome.classifier)
}

function fail(error: unknown): never {
  throw error
}
