/** Points in buckets, so that what lies near a place is found without looking at all. */
export class Buckets {
  private readonly side: number;
  private readonly across: number;
  private readonly down: number;
  private readonly starts: Uint32Array;
  private readonly members: Uint32Array;

  constructor(
    private readonly x: Float32Array,
    private readonly y: Float32Array,
    width: number,
    height: number,
    each = 4,
  ) {
    this.side = Math.max(1e-6, Math.sqrt((each * Math.max(1, width * height)) / Math.max(1, x.length)));
    this.across = Math.max(1, Math.ceil(width / this.side));
    this.down = Math.max(1, Math.ceil(height / this.side));
    this.starts = new Uint32Array(this.across * this.down + 1);
    for (let item = 0; item < x.length; item += 1) this.starts[this.bucket(item) + 1]! += 1;
    for (let at = 1; at < this.starts.length; at += 1) this.starts[at]! += this.starts[at - 1]!;
    const next = this.starts.slice();
    this.members = new Uint32Array(x.length);
    for (let item = 0; item < x.length; item += 1) this.members[next[this.bucket(item)]!++] = item; // in their order
  }

  /** The items in a rectangle; `most` of them at the most, and null where there are more. */
  within(left: number, top: number, right: number, bottom: number, most = Infinity): number[] | null {
    const found: number[] = [];
    for (let row = this.line(top, this.down); row <= this.line(bottom, this.down); row += 1) {
      for (let col = this.line(left, this.across); col <= this.line(right, this.across); col += 1) {
        const bucket = row * this.across + col;
        for (let at = this.starts[bucket]!; at < this.starts[bucket + 1]!; at += 1) {
          const item = this.members[at]!;
          const [x, y] = [this.x[item]!, this.y[item]!];
          if (x >= left && x <= right && y >= top && y <= bottom) found.push(item);
        }
        if (found.length > most) return null;
      }
    }
    return found;
  }

  /** The topmost item whose square of a side contains a point: of several the last, which is drawn on top. */
  topmost(x: number, y: number, side: (item: number) => number, largest: number): number | null {
    const reach = largest / 2;
    let best: number | null = null;
    for (const item of this.within(x - reach, y - reach, x + reach, y + reach) ?? []) {
      const half = side(item) / 2;
      const inside = Math.abs(this.x[item]! - x) <= half && Math.abs(this.y[item]! - y) <= half;
      if (inside && (best === null || item > best)) best = item;
    }
    return best;
  }

  private line(value: number, most: number): number {
    return Math.min(most - 1, Math.max(0, Math.floor(value / this.side)));
  }

  private bucket(item: number): number {
    return this.line(this.y[item]!, this.down) * this.across + this.line(this.x[item]!, this.across);
  }
}
