import type { View } from "../camera";
import type { Graph } from "./data";
import { type Places, curveOf } from "./rows";
import { opacityOf, sideClass, widthOf } from "./scales";

export interface Look {
  ink: string;
  soft: string;
  paper: string;
  well: string;
  line: string;
  accent: string;
  [style: string]: string; // of fvh-positive, fvh-negative, fvh-first, fvh-both, fvh-second, and of verdicts
}

export interface Marks {
  pinned: number | null;
  selected: Set<number>;
}

export interface Sheet {
  atlas: CanvasImageSource | null;
  look: Look;
  marks: Marks;
}

const SYMBOLS: Record<string, string> = { contradicted: "✕", inconclusive: "?", "not contradicted": "○" };
const SMALLEST_TEXT = 6; // pixels on the screen below which words are left out
const FONT = "system-ui, sans-serif";

type Pen = CanvasRenderingContext2D;

/** The colour of an edge: its class in a difference, else its sign. */
export function inkOf(graph: Graph, edge: number): string {
  return sideClass(graph.side?.[edge]) ?? ((graph.weight[edge] ?? 0) < 0 ? "fvh-negative" : "fvh-positive");
}

/** Paint edges, the weakest first; those outside (width, height) of the view are left out. Returns how many were painted. */
export function paintEdges(pen: Pen, graph: Graph, places: Places, edges: number[], look: Look, down: number, sight: (box: number[]) => boolean): number {
  let painted = 0;
  for (const edge of edges) {
    const curve = curveOf(places, graph.source[edge] ?? 0, graph.target[edge] ?? 0, down);
    if (!sight(curve)) continue;
    const [ax = 0, ay = 0, bx = 0, by = 0, cx = 0, cy = 0, dx = 0, dy = 0] = curve;
    const weight = graph.weight[edge] ?? 0;
    pen.strokeStyle = look[inkOf(graph, edge)] ?? "";
    pen.lineWidth = widthOf(weight, graph.strongest[edge] ?? 1);
    pen.globalAlpha = opacityOf(graph.stability?.[edge]);
    pen.setLineDash(weight < 0 ? [6, 4] : []);
    pen.beginPath();
    pen.moveTo(ax, ay);
    pen.bezierCurveTo(bx, by, cx, cy, dx, dy);
    pen.stroke();
    painted += 1;
  }
  pen.globalAlpha = 1;
  pen.setLineDash([]);
  return painted;
}

function paintPicture(pen: Pen, graph: Graph, node: number, left: number, top: number, side: number, { atlas, look }: Sheet): void {
  const place = graph.nodes.thumb[node] ?? -1;
  const facts = graph.facts.atlas;
  if (atlas !== null && facts !== null && place >= 0) {
    const pitch = facts.tile + 2 * facts.border;
    const [x, y] = [(place % facts.columns) * pitch + facts.border, Math.floor(place / facts.columns) * pitch + facts.border];
    pen.imageSmoothingEnabled = !facts.pixelated;
    pen.drawImage(atlas, x, y, facts.tile, facts.tile, left, top, side, side);
    return;
  }
  pen.fillStyle = look.well;
  pen.fillRect(left, top, side, side);
  pen.strokeStyle = look.line;
  pen.lineWidth = 1;
  pen.strokeRect(left, top, side, side);
  pen.fillStyle = look.soft;
  pen.font = `13px ${FONT}`;
  pen.textBaseline = "middle";
  pen.fillText(String(graph.nodes.channel[node] ?? ""), left + side / 2, top + side / 2);
}

function frame(pen: Pen, colour: string | undefined, width: number, dashed: boolean, box: [number, number, number, number]): void {
  pen.strokeStyle = colour ?? "";
  pen.lineWidth = width;
  pen.setLineDash(dashed ? [7, 4] : []);
  pen.strokeRect(...box);
  pen.setLineDash([]);
}

function badge(pen: Pen, words: string, x: number, y: number, colour: string | undefined, look: Look): void {
  pen.font = `650 10px ${FONT}`;
  pen.textBaseline = "middle";
  const half = Math.max(7.5, pen.measureText(words).width / 2 + 4);
  pen.beginPath();
  pen.roundRect(x - half, y - 7.5, 2 * half, 15, 7.5);
  pen.fillStyle = look.paper;
  pen.fill();
  pen.strokeStyle = colour ?? "";
  pen.lineWidth = 1;
  pen.stroke();
  pen.fillStyle = colour ?? "";
  pen.fillText(words, x, y + 0.5);
}

/** Paint one node: its picture or a plain tile, its channel above, frames, and marks for the audit and for classes that share it. */
export function paintNode(pen: Pen, graph: Graph, node: number, places: Places, sheet: Sheet, scale: number): void {
  const { look, marks } = sheet;
  const side = places.side[node] ?? 0;
  const [left, top] = [(places.x[node] ?? 0) - side / 2, (places.y[node] ?? 0) - side / 2];
  const { channel, classes, verdict, thumb } = graph.nodes;
  pen.textAlign = "center";
  paintPicture(pen, graph, node, left, top, side, sheet);
  const box: [number, number, number, number] = [left, top, side, side];
  const ours = sideClass(graph.nodes.side[node]);
  if (ours !== null) frame(pen, look[ours], 3, ours === "fvh-second", box);
  if (marks.pinned === node) frame(pen, look.ink, 4, false, [left - 3, top - 3, side + 6, side + 6]);
  if (marks.selected.has(node)) frame(pen, look.accent, 4, false, [left - 3, top - 3, side + 6, side + 6]);
  if (11 * scale < SMALLEST_TEXT) return;
  if ((thumb[node] ?? -1) >= 0) {
    pen.font = `11px ${FONT}`;
    pen.textBaseline = "alphabetic";
    const words = String(channel[node] ?? "");
    const wide = pen.measureText(words).width + 4;
    pen.fillStyle = look.paper;
    pen.fillRect(left + side / 2 - wide / 2, top - 13, wide, 12);
    pen.fillStyle = look.soft;
    pen.fillText(words, left + side / 2, top - 3.5);
  }
  const said = verdict[node] ?? "";
  if (said !== "") badge(pen, SYMBOLS[said] ?? "–", left + side, top, look[said], look);
  const many = classes[node] ?? 0;
  if (many > 1) badge(pen, String(many), left + side, top + side, look.soft, look);
}

/** Whether a curve or box, given as x and y in turn, can be seen in a window of a view; `spare` pixels around count. */
export function inSight(view: View, width: number, height: number): (points: number[]) => boolean {
  const [left, top] = [-view.x / view.k, -view.y / view.k];
  const [right, bottom] = [left + width / view.k, top + height / view.k];
  return (points) => {
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let at = 0; at < points.length; at += 2) {
      const [x = 0, y = 0] = [points[at], points[at + 1]];
      [x0, x1, y0, y1] = [Math.min(x0, x), Math.max(x1, x), Math.min(y0, y), Math.max(y1, y)];
    }
    return x1 >= left && x0 <= right && y1 >= top && y0 <= bottom;
  };
}
