/** Something kept for each of a bounded number of paths, or other names: the one that was set the longest ago is forgotten. */
export class Recent<Value> {
  private readonly values = new Map<string, Value>()

  constructor(private readonly most: number) {}

  get size(): number {
    return this.values.size
  }

  /** All that is kept, the one that was set the longest ago first. */
  all(): IterableIterator<Value> {
    return this.values.values()
  }

  get(path: string): Value | undefined {
    return this.values.get(path)
  }

  set(path: string, value: Value): void {
    this.of(path, () => value)
  }

  forget(path: string): void {
    this.values.delete(path)
  }

  /** What is kept of a path; `make` tells what is to be kept from now on, given what is. */
  of(path: string, make: (known: Value | undefined) => Value): Value {
    const value = make(this.values.get(path))
    this.values.delete(path)
    this.values.set(path, value)
    if (this.values.size > this.most) this.values.delete(this.values.keys().next().value!)
    return value
  }
}
