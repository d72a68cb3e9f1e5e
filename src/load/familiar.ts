/**
 * Networks that this process has dealt with lately. Two generations: the younger takes whom it meets, and becomes the
 * older when it is full or its time is up; who is in neither is a stranger again. So nobody is looked at to be forgotten.
 */
export class Familiar {
  private younger = new Set<string>()
  private older = new Set<string>()
  private since: number | undefined

  constructor(
    private readonly most = 50_000,
    /** Known for between one and two of these after the last meeting. */
    private readonly generationMs = 3 * 86_400_000,
  ) {}

  note(key: string, at: number): void {
    this.turn(at)
    this.younger.add(key)
    if (this.younger.size >= this.most / 2) this.age(at)
  }

  knows(key: string): boolean {
    return this.younger.has(key) || this.older.has(key)
  }

  get size(): number {
    return this.younger.size + this.older.size
  }

  private turn(at: number): void {
    this.since ??= at
    if (at - this.since >= 2 * this.generationMs) this.younger.clear()
    if (at - this.since >= this.generationMs) this.age(at)
  }

  private age(at: number): void {
    this.older = this.younger
    this.younger = new Set()
    this.since = at
  }
}
