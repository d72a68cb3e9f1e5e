import type { Window } from '../store/store'

/** What holds for a delivery, put together from layers; each figure remembers the layer that said it. */

export type TlsDemand = 'opportunistic' | 'required'
/** As node:tls names versions. */
export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** Every single figure by its name in the files. Durations in milliseconds, sizes in bytes, shares from 0 to 1. */
export interface EgressFigures {
  /** Parallel sessions. */
  readonly connections: number
  readonly message_rate: Window
  readonly connection_rate: Window
  /** Recipients of one message; the others are sent with a copy. */
  readonly recipients: number
  readonly size: number
  /** Whether a session is used for more than one message. */
  readonly sessions: 'on' | 'off'
  readonly 'sessions.messages': number
  readonly 'sessions.idle': number
  readonly tls: TlsDemand
  readonly 'tls.min_version': TlsVersion
  readonly 'retry.first': number
  readonly 'retry.factor': number
  readonly 'retry.longest': number
  readonly 'retry.jitter': number
  readonly 'timeouts.connect': number
  readonly 'timeouts.greeting': number
  readonly 'timeouts.ehlo': number
  readonly 'timeouts.starttls': number
  readonly 'timeouts.mail': number
  readonly 'timeouts.rcpt': number
  readonly 'timeouts.data': number
  readonly 'timeouts.dot': number
}
export type FigureName = keyof EgressFigures

/** Figures that a path can do without: there is no such limit then. */
export const OPTIONAL_FIGURES = [
  'message_rate',
  'connection_rate',
  'recipients',
  'size',
  'sessions.messages',
  'tls.min_version',
] as const satisfies readonly FigureName[]
export type OptionalFigure = (typeof OPTIONAL_FIGURES)[number]

/** Figures that every path needs: the default layer says each, and no layer takes one away. */
export const NEEDED_FIGURES = [
  'connections',
  'sessions',
  'sessions.idle',
  'tls',
  'retry.first',
  'retry.factor',
  'retry.longest',
  'retry.jitter',
  'timeouts.connect',
  'timeouts.greeting',
  'timeouts.ehlo',
  'timeouts.starttls',
  'timeouts.mail',
  'timeouts.rcpt',
  'timeouts.data',
  'timeouts.dot',
] as const satisfies readonly Exclude<FigureName, OptionalFigure>[]

/** The kinds of layer, each over the ones before it. */
export const LAYER_KINDS = ['default', 'provider', 'site', 'domain', 'source'] as const
export type LayerKind = (typeof LAYER_KINDS)[number]

/** Where a figure of a layer was written, and on whose word. */
export interface FigureOrigin {
  /** `config/sluice/providers.yaml:12`. */
  readonly place: string
  /** Who says so, and since when: `KumoMTA community shaping, 2026-08`. */
  readonly provenance?: string | undefined
}

export interface EgressLayer {
  readonly kind: LayerKind
  /** Name of the provider, site, domain or source; empty for the default. */
  readonly name: string
  readonly figures: Partial<EgressFigures>
  /** Figures of earlier layers that do not hold here; none that the layer says itself. */
  readonly unset: readonly OptionalFigure[]
  /** For what it says, and for what it takes away. */
  readonly origins: ReadonlyMap<FigureName, FigureOrigin>
}

/** A figure that holds, or one that a layer took away (`value` is undefined). */
export interface ResolvedFigure {
  readonly figure: FigureName
  readonly value: EgressFigures[FigureName] | undefined
  readonly kind: LayerKind
  readonly name: string
  readonly origin: FigureOrigin | undefined
}

/** The figures that hold for a path. Where an optional one is missing there is no such limit. */
export interface EgressProfile {
  readonly connections: number
  readonly messageRate: Window | undefined
  readonly connectionRate: Window | undefined
  readonly recipients: number | undefined
  readonly sizeBytes: number | undefined
  readonly sessions: 'off' | { readonly messages: number | undefined; readonly idleMs: number }
  readonly tls: { readonly demand: TlsDemand; readonly minVersion: TlsVersion | undefined }
  readonly retry: {
    readonly firstMs: number
    readonly factor: number
    /** Never below `firstMs`. */
    readonly longestMs: number
    /** Share of a wait by which it may be longer or shorter. */
    readonly jitter: number
  }
  /** Longest wait for each phase, RFC 5321 §4.5.3.2. */
  readonly timeouts: {
    readonly connectMs: number
    readonly greetingMs: number
    readonly ehloMs: number
    readonly starttlsMs: number
    readonly mailMs: number
    readonly rcptMs: number
    readonly dataMs: number
    readonly dotMs: number
  }
}

/**
 * Lays layers over one another by their kind, whatever order they come in; of two of one kind the later wins. A layer
 * that takes a figure away leaves it for later ones to say again.
 */
export function mergeLayers(layers: readonly EgressLayer[]): ReadonlyMap<FigureName, ResolvedFigure> {
  const resolved = new Map<FigureName, ResolvedFigure>()
  const ordered = [...layers].sort((a, b) => LAYER_KINDS.indexOf(a.kind) - LAYER_KINDS.indexOf(b.kind))
  for (const { kind, name, figures, unset, origins } of ordered) {
    for (const figure of unset) {
      if (resolved.get(figure)?.value === undefined) continue
      resolved.set(figure, { figure, value: undefined, kind, name, origin: origins.get(figure) })
    }
    for (const [key, value] of Object.entries(figures)) {
      const figure = key as FigureName
      resolved.set(figure, { figure, value, kind, name, origin: origins.get(figure) })
    }
  }
  return resolved
}

/** Throws when a needed figure is missing: the config does not load without a complete default layer. */
export function profileOf(resolved: ReadonlyMap<FigureName, ResolvedFigure>): EgressProfile {
  const maybe = <F extends FigureName>(figure: F) => resolved.get(figure)?.value as EgressFigures[F] | undefined
  const need = <F extends FigureName>(figure: F): EgressFigures[F] => {
    const value = maybe(figure)
    if (value === undefined) throw new Error(`no layer says ${figure}`)
    return value
  }
  const firstMs = need('retry.first')
  const idleMs = need('sessions.idle')
  return {
    connections: need('connections'),
    messageRate: maybe('message_rate'),
    connectionRate: maybe('connection_rate'),
    recipients: maybe('recipients'),
    sizeBytes: maybe('size'),
    sessions: need('sessions') === 'off' ? 'off' : { messages: maybe('sessions.messages'), idleMs },
    tls: { demand: need('tls'), minVersion: maybe('tls.min_version') },
    retry: {
      firstMs,
      factor: need('retry.factor'),
      longestMs: Math.max(firstMs, need('retry.longest')),
      jitter: need('retry.jitter'),
    },
    timeouts: {
      connectMs: need('timeouts.connect'),
      greetingMs: need('timeouts.greeting'),
      ehloMs: need('timeouts.ehlo'),
      starttlsMs: need('timeouts.starttls'),
      mailMs: need('timeouts.mail'),
      rcptMs: need('timeouts.rcpt'),
      dataMs: need('timeouts.data'),
      dotMs: need('timeouts.dot'),
    },
  }
}
