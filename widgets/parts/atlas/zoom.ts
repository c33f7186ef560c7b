import type { View } from "../camera";

export interface Box {
  top: number;
  left: number;
  bottom: number; // the first row or column after it
  right: number;
}

/** The finest level whose cells are at least `least` pixels on the screen; a cell of level z is 2^z cells wide. */
export function levelFor(k: number, levels: number, least: number): number {
  let level = 0;
  while (level < levels - 1 && k * 2 ** level < least) level += 1;
  return level;
}

/** The cell of a level at a point of the window; it may lie outside the grid. */
export function cellAt(view: View, level: number, px: number, py: number): [row: number, col: number] {
  const side = view.k * 2 ** level;
  return [Math.floor((py - view.y) / side), Math.floor((px - view.x) / side)];
}

/** The middle of a cell of a level, in the window. */
export function centreOf(view: View, level: number, row: number, col: number): [px: number, py: number] {
  const side = view.k * 2 ** level;
  return [(col + 0.5) * side + view.x, (row + 0.5) * side + view.y];
}

/** The cells of a level that can be seen in a window. */
export function inView(view: View, level: number, [rows, columns]: [number, number], wide: number, tall: number): Box {
  const [top, left] = cellAt(view, level, 0, 0);
  const [bottom, right] = cellAt(view, level, wide, tall);
  const within = (value: number, most: number): number => Math.min(most, Math.max(0, value));
  return { top: within(top, rows), left: within(left, columns), bottom: within(bottom + 1, rows), right: within(right + 1, columns) };
}

/** The tiles that hold some cells, `per` of them along a side. */
export function tilesOf(box: Box, per: number): [row: number, col: number][] {
  const found: [number, number][] = [];
  if (box.right <= box.left) return found;
  for (let row = Math.floor(box.top / per); row * per < box.bottom; row += 1) {
    for (let col = Math.floor(box.left / per); col * per < box.right; col += 1) found.push([row, col]);
  }
  return found;
}

/** The view that shows all of a world of some size, in the middle of a window. */
export function fitted(width: number, height: number, wide: number, tall: number, pad: number): View {
  const k = Math.min((wide - 2 * pad) / Math.max(1, width), (tall - 2 * pad) / Math.max(1, height));
  return { k, x: (wide - k * width) / 2, y: (tall - k * height) / 2 };
}
