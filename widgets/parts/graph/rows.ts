import type { Graph } from "./data";
import { sideOf } from "./scales";

export interface Spacing {
  across: number;
  down: number;
}

export interface Places {
  x: Float64Array; // of the middle of each node; NaN where it is hidden
  y: Float64Array;
  side: Float64Array;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Where the shown nodes stand: their order in a row stays, and each row is centred at x = 0. */
export function arrange(graph: Graph, shown: Uint8Array, spacing: Spacing): Places {
  const { nodes, count } = graph;
  const [x, y, side] = [new Float64Array(count).fill(NaN), new Float64Array(count).fill(NaN), new Float64Array(count)];
  const rows: number[][] = graph.facts.layers.map(() => []);
  for (let node = 0; node < count; node += 1) {
    side[node] = sideOf(nodes.score[node] ?? 0, graph.highest);
    if (shown[node]) rows[nodes.row[node] ?? 0]?.push(node);
  }
  rows.forEach((members, row) => {
    members.sort((a, b) => (nodes.rank[a] ?? 0) - (nodes.rank[b] ?? 0));
    const wide = members.reduce((sum, node) => sum + (side[node] ?? 0) + spacing.across, -spacing.across);
    let left = -wide / 2;
    for (const node of members) {
      x[node] = left + (side[node] ?? 0) / 2;
      y[node] = row * spacing.down;
      left += (side[node] ?? 0) + spacing.across;
    }
  });
  return { x, y, side };
}

/** What the shown nodes take up, with the channel numbers above them. */
export function boundsOf(places: Places): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (let node = 0; node < places.x.length; node += 1) {
    const [x, y, half] = [places.x[node] ?? NaN, places.y[node] ?? NaN, (places.side[node] ?? 0) / 2];
    if (Number.isNaN(x)) continue;
    box.left = Math.min(box.left, x - half);
    box.right = Math.max(box.right, x + half);
    box.top = Math.min(box.top, y - half - 16);
    box.bottom = Math.max(box.bottom, y + half);
  }
  return box.left > box.right ? { left: -1, top: -1, right: 1, bottom: 1 } : box;
}

/** The four points of an edge's Bézier, x and y in turn: from the top of the lower node to the bottom of the upper one. */
export function curveOf(places: Places, source: number, target: number, down: number): number[] {
  const at = (list: Float64Array, node: number): number => list[node] ?? 0;
  const [ax, ay, bx, by] = [at(places.x, source), at(places.y, source), at(places.x, target), at(places.y, target)];
  const up = by < ay ? 1 : -1;
  const first = ay - (up * at(places.side, source)) / 2;
  const last = by + (up * at(places.side, target)) / 2;
  const bend = up * Math.max(Math.abs(first - last) / 2, down / 4);
  return [ax, first, ax, first - bend, bx, last + bend, bx, last];
}

/** The curve as an SVG path. */
export function pathOf(curve: number[]): string {
  const [ax, ay, bx, by, cx, cy, dx, dy] = curve.map((value) => Math.round(value * 10) / 10);
  return `M${ax},${ay}C${bx},${by} ${cx},${cy} ${dx},${dy}`;
}
