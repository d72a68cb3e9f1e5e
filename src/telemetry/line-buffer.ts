/** Lines are gathered in pieces of this size. */
const PIECE_BYTES = 64 * 1024
/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const MOST_BYTES_PER_UNIT = 3

/**
 * Text that waits to be written, as the bytes it will be. A long string put together of thousands of short ones would
 * keep all of them alive, and the collector of garbage busy, until it is written.
 */
export class LineBuffer {
  private full: Buffer[] = []
  private fullBytes = 0
  private piece = Buffer.allocUnsafe(PIECE_BYTES)
  private used = 0

  get bytes(): number {
    return this.fullBytes + this.used
  }

  add(line: string): void {
    const most = line.length * MOST_BYTES_PER_UNIT
    if (this.used + most > this.piece.length) this.beginPiece(most)
    this.used += this.piece.write(line, this.used)
  }

  /** Everything that waits, which then waits no more. */
  take(): Buffer {
    this.beginPiece(0)
    const taken = this.full.length === 1 ? this.full[0]! : Buffer.concat(this.full)
    this.full = []
    this.fullBytes = 0
    return taken
  }

  /** In front of everything that was added since it was taken. */
  putBack(bytes: Buffer): void {
    this.full.unshift(bytes)
    this.fullBytes += bytes.length
  }

  private beginPiece(least: number): void {
    if (this.used > 0) {
      this.full.push(this.piece.subarray(0, this.used))
      this.fullBytes += this.used
    }
    this.piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, least))
    this.used = 0
  }
}
