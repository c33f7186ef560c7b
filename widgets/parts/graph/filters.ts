import type { Graph } from "./data";

export interface Limits {
  score: number | null; // nodes with this score or less are hidden
  weight: number; // edges weaker than this share of the strongest between the same rows are hidden
  stability: number; // edges less stable than this are hidden; those of which nothing is known, too
}

export const OPEN: Limits = { score: null, weight: 0, stability: 0 };

/** Which nodes and which edges are shown: an edge goes with either of its ends. */
export function shownOf(graph: Graph, limits: Limits): { nodes: Uint8Array; edges: number[] } {
  const { score, weight, stability } = limits;
  const nodes = Uint8Array.from(graph.nodes.score, (value) => Number(score === null || value > score));
  const edges: number[] = [];
  for (let edge = 0; edge < graph.edgeCount; edge += 1) {
    const ends = nodes[graph.source[edge] ?? 0] === 1 && nodes[graph.target[edge] ?? 0] === 1;
    const heavy = Math.abs(graph.weight[edge] ?? 0) >= weight * (graph.strongest[edge] ?? 1);
    const stable = stability <= 0 || (graph.stability?.[edge] ?? -1) >= stability;
    if (ends && heavy && stable) edges.push(edge);
  }
  return { nodes, edges };
}
