// What Python sends; the same words as in fvhooks/widgets/graph_states.py.
import { slice } from "../blobs";
import type { Badge, Span, Top } from "../types";

export interface NodeLists {
  unit: string[];
  channel: number[];
  row: number[];
  rank: number[];
  score: number[];
  share: (number | null)[];
  classes: (number | null)[];
  side: (number | null)[];
  verdict: string[];
  thumb: number[];
}

export interface AtlasFacts {
  tile: number;
  columns: number;
  rows: number;
  border: number;
  pixelated: boolean;
  span: Span;
}

export interface GraphFacts {
  title: string;
  facts: [string, string][];
  notes: string[];
  layers: string[]; // the highest first
  sides: [string, string] | null;
  nodes: NodeLists;
  edges: { source: Span; target: Span; weight: Span; stability: Span | null; side: Span | null };
  atlas: AtlasFacts | null;
}

export interface DetailContent {
  facts: { unit: string; lines: string[]; badges: Badge[]; tops: Top[]; pixelated: boolean };
  spans: { pictures: Span[]; tops: Span[] };
}

/** The bytes of a span as an array that starts at their own offset 0, which numbers of four bytes need. */
function own(packed: DataView, span: Span): ArrayBuffer {
  return slice(packed, span).slice().buffer;
}

export const floats = (packed: DataView, span: Span): Float32Array => new Float32Array(own(packed, span));
export const integers = (packed: DataView, span: Span): Int32Array => new Int32Array(own(packed, span));

/** A graph in memory: lists of nodes, typed arrays of edges, and which edges meet at each node. */
export class Graph {
  readonly nodes: NodeLists;
  readonly count: number;
  readonly source: Int32Array;
  readonly target: Int32Array;
  readonly weight: Float32Array;
  readonly stability: Float32Array | null;
  readonly side: Int32Array | null;
  /** Of each edge the largest weight between the same two rows: weights of other rows may be of another scale. */
  readonly strongest: Float32Array;
  readonly highest: number;
  /** Edges of each node, the strongest first. */
  readonly edgesOf: number[][];

  constructor(readonly facts: GraphFacts, packed: DataView) {
    const { edges } = facts;
    this.nodes = facts.nodes;
    this.count = facts.nodes.unit.length;
    this.source = integers(packed, edges.source);
    this.target = integers(packed, edges.target);
    this.weight = floats(packed, edges.weight);
    this.stability = edges.stability === null ? null : floats(packed, edges.stability);
    this.side = edges.side === null ? null : integers(packed, edges.side);
    this.strongest = this.strongestOfRows();
    this.highest = this.nodes.score.reduce((most, score) => Math.max(most, score), 0) || 1;
    this.edgesOf = Array.from({ length: this.count }, () => []);
    for (const edge of this.byStrength()) {
      this.edgesOf[this.source[edge] ?? 0]?.push(edge);
      if (this.target[edge] !== this.source[edge]) this.edgesOf[this.target[edge] ?? 0]?.push(edge);
    }
  }

  get edgeCount(): number {
    return this.weight.length;
  }

  private strongestOfRows(): Float32Array {
    const rows = Array.from(this.weight, (_, edge) => [this.source[edge], this.target[edge]].map((node) => this.nodes.row[node ?? 0]).join());
    const most = new Map<string, number>();
    rows.forEach((pair, edge) => most.set(pair, Math.max(most.get(pair) ?? 0, Math.abs(this.weight[edge] ?? 0))));
    return Float32Array.from(rows, (pair) => most.get(pair) || 1);
  }

  /** All edges, the strongest first. */
  byStrength(): number[] {
    const order = Array.from(this.weight, (_, edge) => edge);
    return order.sort((a, b) => Math.abs(this.weight[b] ?? 0) - Math.abs(this.weight[a] ?? 0) || a - b);
  }

  /** The node at the other end of an edge. */
  other(edge: number, node: number): number {
    return (this.source[edge] === node ? this.target[edge] : this.source[edge]) ?? node;
  }
}
