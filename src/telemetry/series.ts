/**
 * Metrics that cost next to nothing to raise. prom-client hashes the labels of every call; these are plain numbers that
 * the registry reads when somebody scrapes. They have the shape that a `Registry` asks of a metric: name, type, `get()`.
 */
import type { Aggregator, Metric, Registry } from 'prom-client'

/** One sample, as a registry's JSON has it. */
export interface Sample {
  value: number
  readonly labels: Readonly<Record<string, string | number>>
  /** Differs from the metric's name for the parts of a histogram. */
  readonly metricName?: string
}

/** One metric, as a registry's JSON has it. */
export interface MetricJson {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  /** How the figures of several processes become one. */
  readonly aggregator: Aggregator
  readonly values: readonly Sample[]
}

type Head = Omit<MetricJson, 'values'>

/** What a metric of ours is called, and how the figures of several processes become one. */
export function head(name: string, help: string, type: 'counter' | 'gauge', aggregator: Aggregator): Head {
  return { name: `sluice_${name}`, help, type, aggregator }
}

export function counter(name: string, help: string, labelNames: readonly string[] = []): Series {
  return new Series(head(name, help, 'counter', 'sum'), labelNames)
}

abstract class Readable {
  readonly name: string
  constructor(protected readonly head: Head) {
    this.name = head.name
  }
  protected abstract samples(): readonly Sample[]
  async get(): Promise<MetricJson> {
    return { ...this.head, values: this.samples() }
  }
  register<T extends Readable>(this: T, registry: Registry): T {
    registry.registerMetric(this as unknown as Metric)
    return this
  }
}

/** Label values come from the config, the code or the protocol, never from a client; this bounds a config that changes for ever. */
export const MOST_CELLS = 1000

/** A counter or gauge with labels. Keep the cell where the same labels come often. */
export class Series extends Readable {
  private readonly cells = new Map<string, Sample>()
  private rest: Sample | undefined

  constructor(
    head: Head,
    private readonly labelNames: readonly string[],
  ) {
    super(head)
    if (labelNames.length === 0) this.cell()
  }

  /** The number for these label values, in the order of the names; beyond {@link MOST_CELLS} all share one, labelled `other`. */
  cell(...values: string[]): Sample {
    const key = values.length === 1 ? values[0]! : values.join('\n')
    return (
      this.cells.get(key) ?? (this.cells.size < MOST_CELLS ? this.make(key, values) : (this.rest ??= this.makeRest()))
    )
  }

  private make(key: string, values: readonly string[]): Sample {
    const labels = Object.fromEntries(this.labelNames.map((name, index) => [name, values[index] ?? '']))
    const made: Sample = { value: 0, labels }
    this.cells.set(key, made)
    return made
  }

  private makeRest(): Sample {
    const others = this.labelNames.map(() => 'other')
    return this.make(others.join('\n'), others)
  }

  samples(): readonly Sample[] {
    return [...this.cells.values()]
  }
}

/** A figure that somebody else keeps, read at scrape time. */
export class Reading extends Readable {
  constructor(
    head: Head,
    private readonly read: () => number,
  ) {
    super(head)
  }

  protected samples(): readonly Sample[] {
    return [{ value: this.read(), labels: {} }]
  }
}

/** Figures that somebody else keeps, by the value of one label. */
export class LabelledReading extends Readable {
  constructor(
    head: Head,
    private readonly labelName: string,
    private readonly read: () => ReadonlyMap<string, number>,
  ) {
    super(head)
  }

  protected samples(): readonly Sample[] {
    return [...this.read()].map(([label, value]) => ({ value, labels: { [this.labelName]: label } }))
  }
}

/** A figure that somebody else keeps, with the values of its labels in the order of their names. */
export type LabelledFigure = readonly [labels: readonly string[], value: number]

/** Figures that somebody else keeps, by several labels. Those with the same labels become one: the greatest, or the sum. */
export class JoinedReading extends Readable {
  constructor(
    head: Head,
    private readonly labelNames: readonly string[],
    private readonly read: () => Iterable<LabelledFigure>,
  ) {
    super(head)
  }

  protected samples(): readonly Sample[] {
    const joined = new Series(this.head, this.labelNames)
    for (const [labels, value] of this.read()) {
      const cell = joined.cell(...labels)
      cell.value = this.head.aggregator === 'max' ? Math.max(cell.value, value) : cell.value + value
    }
    return joined.samples()
  }
}

/** Rows of a histogram whose labels are not known beforehand; each has a line for every bound. */
export const MOST_ROWS = 100

interface Row {
  readonly label: string
  readonly counts: Float64Array
  sum: number
}

/** Durations in seconds, by one label. `labels`: its values, where they are known beforehand; `any` where they are not. */
export class DurationHistogram extends Readable {
  private readonly rows = new Map<string, Row>()

  constructor(
    head: Omit<Head, 'type' | 'aggregator'>,
    private readonly labelName: string,
    private readonly labels: readonly string[] | 'any',
    private readonly bounds: readonly number[],
  ) {
    super({ ...head, type: 'histogram', aggregator: 'sum' })
    if (labels !== 'any') for (const label of labels) this.make(label)
  }

  /** A label that is not among those known is not counted; of any, those beyond {@link MOST_ROWS} share `other`. */
  observe(label: string, seconds: number): void {
    const row = this.rows.get(label) ?? (this.labels === 'any' ? this.rowFor(label) : undefined)
    if (row === undefined) return
    let index = 0
    while (index < this.bounds.length && seconds > this.bounds[index]!) index++
    row.counts[index]!++
    row.sum += seconds
  }

  private rowFor(label: string): Row {
    return this.rows.size < MOST_ROWS ? this.make(label) : (this.rows.get('other') ?? this.make('other'))
  }

  private make(label: string): Row {
    const row: Row = { label, counts: new Float64Array(this.bounds.length + 1), sum: 0 }
    this.rows.set(label, row)
    return row
  }

  protected samples(): readonly Sample[] {
    return [...this.rows.values()].flatMap((row) => this.rowSamples(row))
  }

  private rowSamples({ label, counts, sum }: Row): Sample[] {
    const samples: Sample[] = []
    const shared = { [this.labelName]: label }
    let count = 0
    for (let index = 0; index <= this.bounds.length; index++) {
      count += counts[index]!
      const le = this.bounds[index] ?? '+Inf'
      samples.push({ value: count, labels: { le, ...shared }, metricName: `${this.name}_bucket` })
    }
    samples.push({ value: sum, labels: shared, metricName: `${this.name}_sum` })
    samples.push({ value: count, labels: shared, metricName: `${this.name}_count` })
    return samples
  }
}
