import { slice } from "../blobs";
import type { Span } from "../types";

/** The numbers of a packed buffer, which need not begin at a multiple of four. */
function numbers(packed: DataView, span: Span): Float32Array {
  return new Float32Array(slice(packed, span).slice().buffer);
}

/** One number a unit for each layer and statistic; what is not here yet can be asked for, once. */
export class Columns {
  private readonly found = new Map<string, Float32Array>();
  private readonly parts = new Map<string, number>(); // how much of a column has come
  private readonly asked = new Set<string>();

  constructor(
    columns: Record<string, Record<string, Span>>,
    packed: DataView,
    private readonly ask: ((layer: string, key: string) => void) | null,
  ) {
    for (const [layer, keys] of Object.entries(columns))
      for (const [key, span] of Object.entries(keys)) this.found.set(nameOf(layer, key), numbers(packed, span));
  }

  /** A column; null until it is there. */
  of(layer: string, key: string): Float32Array | null {
    const name = nameOf(layer, key);
    const column = this.found.get(name);
    if (column !== undefined && (this.parts.get(name) ?? column.length) >= column.length) return column;
    if (!this.asked.has(name)) {
      this.asked.add(name);
      this.ask?.(layer, key);
    }
    return null;
  }

  /** Keep what Python sent: a column, or a part of a long one. */
  keep({ layer, key, count, start }: { layer: string; key: string; count: number; start: number }, packed: DataView): void {
    const name = nameOf(layer, key);
    const part = numbers(packed, [0, packed.byteLength]);
    if (start === 0) [this.found.set(name, new Float32Array(count).fill(NaN)), this.parts.set(name, 0)];
    this.found.get(name)?.set(part, start);
    this.parts.set(name, (this.parts.get(name) ?? 0) + part.length);
  }
}

const nameOf = (layer: string, key: string): string => `${layer}\n${key}`;

/** Channels by value; those without one come last, and of equal ones the lower channel first. */
export function ordered(values: Float32Array, descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  const at = (channel: number): number => {
    const value = values[channel] ?? NaN;
    return Number.isNaN(value) ? Infinity : sign * value;
  };
  return Array.from(values.keys()).sort((a, b) => {
    const [left, right] = [at(a), at(b)];
    return left === right ? a - b : left - right;
  });
}
