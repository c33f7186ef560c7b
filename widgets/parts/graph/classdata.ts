// What Python sends of the classes; the same words as in fvhooks/widgets/graph_classes.py.
import type { Span } from "../types";
import { floats } from "./data";

export interface ClassFacts {
  name: string[];
  own: number;
  layers: string[];
  bins: number;
  accuracy: Span | null;
  images: Span | null;
  histogram: Span | null;
  x: Span | null;
  y: Span | null;
  similarity: Span | null;
}

export type Sorting = "similarity" | "most accurate" | "least accurate";

/** The classes in memory; what is of a layer starts at layer times the number of classes. */
export class Classes {
  readonly count: number;
  readonly accuracy: Float32Array | null;
  readonly images: Float32Array | null;
  readonly histogram: Float32Array | null;
  readonly x: Float32Array | null;
  readonly y: Float32Array | null;
  readonly similarity: Float32Array | null;

  constructor(readonly facts: ClassFacts, packed: DataView) {
    const numbers = (span: Span | null): Float32Array | null => (span === null ? null : floats(packed, span));
    this.count = facts.name.length;
    [this.accuracy, this.images, this.histogram] = [numbers(facts.accuracy), numbers(facts.images), numbers(facts.histogram)];
    [this.x, this.y, this.similarity] = [numbers(facts.x), numbers(facts.y), numbers(facts.similarity)];
  }

  similarityAt(layer: number, index: number): number {
    return this.similarity?.[layer * this.count + index] ?? NaN;
  }

  /** The classes that some words are in, in an order; the graph's own first. */
  sorted(sorting: Sorting, layer: number, words: string): number[] {
    const wanted = words.trim().toLowerCase();
    const value = (index: number): number => {
      if (index === this.facts.own) return Infinity;
      const known = sorting === "similarity" ? this.similarityAt(layer, index) : (this.accuracy?.[index] ?? NaN);
      return Number.isNaN(known) ? -1e9 : sorting === "least accurate" ? -known : known;
    };
    const all = this.facts.name.flatMap((name, index) => (name.toLowerCase().includes(wanted) ? [index] : []));
    return all.sort((a, b) => value(b) - value(a) || a - b);
  }
}
