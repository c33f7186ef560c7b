import type { View } from "../camera";
import type { Look, Pen, Scene } from "./scene";

const MOST_ITEMS = 1_500; // whose edges are drawn
const MOST_MOVES = 500;

/** The items in a window, wherever they are now; null where they are more than `most`. */
function around(scene: Scene, view: View, wide: number, tall: number, most: number): number[] | null {
  const [left, top] = [-view.x / view.k, -view.y / view.k];
  const [right, bottom] = [left + wide / view.k, top + tall / view.k];
  if (scene.mix === 0) return scene.buckets.within(left, top, right, bottom, most);
  const { items } = scene;
  const found: number[] = [];
  const cells = (Math.min(items.rows, bottom) - Math.max(0, top)) * (Math.min(items.columns, right) - Math.max(0, left));
  if (cells > 2 * most) return null;
  for (let row = Math.max(0, Math.floor(top)); row < Math.min(items.rows, bottom); row += 1) {
    for (let col = Math.max(0, Math.floor(left)); col < Math.min(items.columns, right); col += 1) {
      const item = items.at(0, row, col);
      if (item !== null) found.push(item);
    }
  }
  return found.length > most ? null : found;
}

/** Lines to the nearest items in feature space; none where too many items are in sight. */
export function paintEdges(pen: Pen, scene: Scene, look: Look, view: View, wide: number, tall: number): number {
  const { items, x, y } = scene;
  let painted = 0;
  pen.beginPath();
  for (const item of around(scene, view, wide, tall, MOST_ITEMS) ?? []) {
    for (const other of items.neighbours(item)) {
      pen.moveTo(x[item]! * view.k + view.x, y[item]! * view.k + view.y);
      pen.lineTo(x[other]! * view.k + view.x, y[other]! * view.k + view.y);
      painted += 1;
    }
  }
  pen.strokeStyle = look.ink;
  pen.globalAlpha = 0.35;
  pen.lineWidth = 1;
  pen.stroke();
  pen.globalAlpha = 1;
  return painted;
}

/** The items that the grid moved farthest, the farthest first. */
export function farthest(scene: Scene): number[] {
  const moved = scene.items.displacement;
  const order = Array.from({ length: scene.items.count }, (_, item) => item).filter((item) => moved[item]! > 0);
  return order.sort((a, b) => moved[b]! - moved[a]!).slice(0, MOST_MOVES);
}

/** Lines from where the layout put an item to its cell: of those in sight, or of those that moved farthest. */
export function paintMoves(pen: Pen, scene: Scene, look: Look, view: View, [wide, tall]: [number, number], most: number[]): number {
  const { items } = scene;
  const shown = around(scene, view, wide, tall, MOST_MOVES) ?? most;
  for (const [width, ink, opacity] of [[2.4, look.paper, 0.7], [1, look.ink, 0.9]] as const) {
    pen.beginPath();
    for (const item of shown) {
      pen.moveTo(items.x[item]! * view.k + view.x, items.y[item]! * view.k + view.y);
      pen.lineTo((items.col[item]! + 0.5) * view.k + view.x, (items.row[item]! + 0.5) * view.k + view.y);
    }
    [pen.strokeStyle, pen.lineWidth, pen.globalAlpha] = [ink, width, opacity];
    pen.stroke();
  }
  pen.globalAlpha = 1;
  return shown.length;
}
