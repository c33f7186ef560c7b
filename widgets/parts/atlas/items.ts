import type { AtlasFacts, Column, Columns, Words } from "./facts";

export const NOWHERE = 65535;
type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array;

const READERS = { "<u1": Uint8Array, "<u2": Uint16Array, "<u4": Uint32Array, "<i4": Int32Array, "<f4": Float32Array };

/** One column of a packed buffer. */
export function column(packed: DataView, [kind, start, end]: Column): Numbers {
  const from = packed.byteOffset + start;
  const bytes = (packed.buffer as ArrayBuffer).slice(from, from + end - start); // a copy, since numbers must be aligned
  return kind === "json" ? new Uint8Array(bytes) : new READERS[kind](bytes);
}

/** Text of a packed buffer. */
export function words<T>(packed: DataView, at: Column): T {
  return JSON.parse(new TextDecoder().decode(column(packed, at) as Uint8Array)) as T;
}

/** How the peaks of one unit spread: counts in bins of equal width from the lowest to the highest. */
export interface Peaks {
  counts: number[];
  low: number;
  high: number;
  strongest: number; // of the images that the map shows; NaN where it is not known
}

/** All items of a map: where each lies and what is known of it. */
export class Items {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  readonly ids: string[];
  readonly labels: string[];
  readonly flags: string[];
  readonly row: Numbers;
  readonly col: Numbers;
  readonly x: Float32Array; // on the map before the grid, in cells
  readonly y: Float32Array;
  readonly score: Numbers;
  readonly size: Numbers;
  readonly label: Numbers;
  readonly stratum: Numbers;
  readonly source: Numbers;
  readonly flag: Numbers;
  readonly strip: Numbers;
  readonly density: Numbers;
  readonly trust: Numbers;
  readonly displacement: Numbers;
  /** Of each level, which item stands for each cell; −1 for none. */
  readonly levels: Int32Array[] = [];
  private nearest: Numbers | null = null;
  private peaks: { counts: Numbers; low: Numbers; high: Numbers; strongest: Numbers } | null = null;

  constructor(
    readonly facts: AtlasFacts,
    packed: DataView,
    columns: Columns,
  ) {
    const of = (name: string): Numbers => column(packed, columns[name] ?? ["<u1", 0, 0]);
    const named = words<Words>(packed, columns.words ?? ["json", 0, 0]);
    [this.ids, this.labels, this.flags] = [named.ids, named.labels, named.flags];
    this.count = facts.count;
    [this.rows, this.columns] = [facts.deep, facts.grid[1]];
    [this.row, this.col, this.score, this.size, this.label] = [of("row"), of("col"), of("score"), of("size"), of("label")];
    [this.stratum, this.source, this.flag, this.strip] = [of("stratum"), of("source"), of("flag"), of("strip")];
    [this.density, this.trust, this.displacement] = [of("density"), of("trust"), of("displacement")];
    [this.x, this.y] = this.places(of("x"), of("y"));
    this.levels.push(this.cells());
    for (let level = 1; level < facts.levels.length; level += 1) this.levels.push(of(`medoid_${level}`) as Int32Array);
  }

  /** The item of a cell of a level; null where the cell is empty or there is no such cell. */
  at(level: number, row: number, col: number): number | null {
    const [rows, columns] = this.facts.levels[level] ?? [0, 0];
    if (row < 0 || col < 0 || row >= rows || col >= columns) return null;
    const item = this.levels[level]?.[row * columns + col] ?? -1;
    return item < 0 ? null : item;
  }

  /** How many items a cell of a level stands for. */
  standsFor(level: number, row: number, col: number): number {
    const side = 2 ** level;
    let found = 0;
    for (let r = row * side; r < Math.min(this.rows, (row + 1) * side); r += 1) {
      for (let c = col * side; c < Math.min(this.columns, (col + 1) * side); c += 1) found += this.at(0, r, c) === null ? 0 : 1;
    }
    return found;
  }

  /** Neighbours and peaks, which come later for large maps. */
  add(packed: DataView, more: Columns): void {
    if (more.neighbours !== undefined) this.nearest = column(packed, more.neighbours);
    if (more.histogram === undefined) return;
    const of = (name: string): Numbers => column(packed, more[name] ?? ["<f4", 0, 0]);
    this.peaks = { counts: of("histogram"), low: of("lowest"), high: of("highest"), strongest: of("activation") };
  }

  get hasNeighbours(): boolean {
    return this.nearest !== null;
  }

  /** The nearest items in feature space, the nearest first. */
  neighbours(item: number): number[] {
    const { near } = this.facts;
    const found = this.nearest === null ? [] : [...this.nearest.subarray(item * near, (item + 1) * near)];
    return found.filter((one) => one >= 0 && one < this.count);
  }

  /** The peaks of a unit; null where the map has none, or they have not come yet. */
  peaksOf(item: number): Peaks | null {
    const { histogram } = this.facts;
    if (histogram?.kind !== "peaks" || this.peaks === null) return null;
    const { counts, low, high, strongest } = this.peaks;
    const own = [...counts.subarray(item * histogram.bins, (item + 1) * histogram.bins)];
    return { counts: own, low: low[item] ?? NaN, high: high[item] ?? NaN, strongest: strongest[item] ?? NaN };
  }

  labelOf(item: number): string {
    return this.labels[this.label[item] ?? 0] ?? "";
  }

  flagOf(item: number): string {
    return this.flags[this.flag[item] ?? 0] ?? "";
  }

  sourceOf(item: number): string {
    return this.facts.sources[this.source[item] ?? 0] ?? "";
  }

  /** Whether a cell shows a picture; else words. */
  pictured(item: number): boolean {
    const source = this.sourceOf(item);
    return source !== "" && source !== "text";
  }

  stratumOf(item: number): string {
    return this.facts.strata[this.stratum[item] ?? 0] ?? "";
  }

  /** Shares are kept in 250 steps; NaN where nothing is known. */
  trustOf(item: number): number {
    const value = this.trust[item] ?? 255;
    return value === 255 ? NaN : value / 250;
  }

  densityOf(item: number): number {
    const value = this.density[item] ?? 255;
    return value === 255 ? NaN : value / 250;
  }

  /** Places in cells; what has none, and what lies in the strip, stays in its cell. */
  private places(x: Numbers, y: Numbers): [Float32Array, Float32Array] {
    const [rows, columns] = this.facts.grid;
    const made: [Float32Array, Float32Array] = [new Float32Array(this.count), new Float32Array(this.count)];
    for (let item = 0; item < this.count; item += 1) {
      const fixed = x[item] === NOWHERE || y[item] === NOWHERE || this.strip[item] === 1;
      made[0][item] = fixed ? (this.col[item] ?? 0) + 0.5 : 0.5 + ((x[item] ?? 0) / (NOWHERE - 1)) * (columns - 1);
      made[1][item] = fixed ? (this.row[item] ?? 0) + 0.5 : 0.5 + ((y[item] ?? 0) / (NOWHERE - 1)) * (rows - 1);
    }
    return made;
  }

  private cells(): Int32Array {
    const made = new Int32Array(this.rows * this.columns).fill(-1);
    for (let item = 0; item < this.count; item += 1) made[(this.row[item] ?? 0) * this.columns + (this.col[item] ?? 0)] = item;
    return made;
  }
}
