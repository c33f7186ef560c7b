import type { View } from "../camera";
import { paintBadges, paintEmpty, paintFrames, paintWords } from "./cells";
import { type Look, MOST_CELLS, type Painted, type Pen, type Scene, leastOf } from "./scene";
import { type TileStore, cutOf } from "./tiles";
import { type Box, inView, levelFor, tilesOf } from "./zoom";

const FRAMED = 20; // pixels from which an overlay is a frame around a picture, no longer a tint over it
const TINT = 0.6;
const STEP = 0.15; // of a cell, for each step of size below the largest

interface Region {
  level: number;
  box: Box;
  side: number; // of a cell, on the screen
}

/** The cells of the grid, and those of the strip below it, which has no coarser levels. */
function regions(scene: Scene, view: View, wide: number, tall: number): Region[] {
  const { items } = scene;
  const [rows, columns] = items.facts.grid;
  const level = levelOf(scene, view.k);
  const size: [number, number] = level === 0 ? [rows, columns] : (items.facts.levels[level] ?? [rows, columns]);
  const found: Region[] = [{ level, box: inView(view, level, size, wide, tall), side: view.k * 2 ** level }];
  if (items.rows > rows) {
    const box = inView(view, 0, [items.rows, columns], wide, tall);
    found.push({ level: 0, box: { ...box, top: Math.max(box.top, rows + 1) }, side: view.k });
  }
  return found.filter(({ box }) => box.bottom > box.top && box.right > box.left);
}

/** The level that is shown at a zoom. */
export function levelOf(scene: Scene, k: number): number {
  const levels = scene.items.levels.length;
  return scene.level === null ? levelFor(k, levels, leastOf(scene)) : Math.min(scene.level, levels - 1);
}

/** Draw some cells of one tile, `pixel` rounds to whole pixels of the device. */
function paintTile(pen: Pen, store: TileStore, view: View, region: Region, place: [number, number], pixel: (value: number) => number): boolean {
  const { per, cell } = store.facts;
  const [row, col] = place;
  const { level, box, side } = region;
  const [top, left] = [Math.max(box.top, row * per), Math.max(box.left, col * per)];
  const [bottom, right] = [Math.min(box.bottom, (row + 1) * per), Math.min(box.right, (col + 1) * per)];
  const [x0, y0] = [pixel(left * side + view.x), pixel(top * side + view.y)];
  const [x1, y1] = [pixel(right * side + view.x), pixel(bottom * side + view.y)];
  const tile = store.get(level, row, col);
  if (tile !== null) {
    pen.drawImage(tile, (left - col * per) * cell, (top - row * per) * cell, (right - left) * cell, (bottom - top) * cell, x0, y0, x1 - x0, y1 - y0);
    return true;
  }
  return false;
}

/** What stands in for a tile that is not there: the pictures of a coarser level. */
function paintCoarser(pen: Pen, scene: Scene, store: TileStore, view: View, region: Region, pixel: (value: number) => number): void {
  const { level, box } = region;
  for (let up = 1; level + up < scene.items.levels.length; up += 1) {
    const shrunk = { top: box.top >> up, left: box.left >> up, bottom: -(-box.bottom >> up), right: -(-box.right >> up) };
    const coarse: Region = { level: level + up, box: shrunk, side: region.side * 2 ** up };
    const places = tilesOf(shrunk, store.facts.per);
    if (!places.every((place) => store.loaded(coarse.level, ...place))) continue;
    pen.save();
    pen.beginPath();
    const { side } = region;
    pen.rect(box.left * side + view.x, box.top * side + view.y, (box.right - box.left) * side, (box.bottom - box.top) * side);
    pen.clip();
    for (const place of places) paintTile(pen, store, view, coarse, place, pixel);
    pen.restore();
    return;
  }
  const [top] = tilesOf({ top: 0, left: 0, bottom: 1, right: 1 }, 1);
  if (top !== undefined) store.get(scene.items.levels.length - 1, ...top); // at least the coarsest
}

function paintTiles(pen: Pen, scene: Scene, store: TileStore, view: View, region: Region, pixel: (value: number) => number): void {
  const { per } = store.facts;
  for (const [row, col] of tilesOf(region.box, per)) {
    if (paintTile(pen, store, view, region, [row, col], pixel)) continue;
    const { box } = region;
    const part: Box = {
      top: Math.max(box.top, row * per),
      left: Math.max(box.left, col * per),
      bottom: Math.min(box.bottom, (row + 1) * per),
      right: Math.min(box.right, (col + 1) * per),
    };
    if (region.box.top <= scene.items.facts.grid[0]) paintCoarser(pen, scene, store, view, { ...region, box: part }, pixel);
  }
}

/** What is painted cell by cell: words, sizes, empty cells, marks and frames. */
function paintEach(pen: Pen, scene: Scene, look: Look, view: View, { level, box, side }: Region): number {
  const { items, store } = scene;
  let painted = 0;
  for (let row = box.top; row < box.bottom; row += 1) {
    for (let col = box.left; col < box.right; col += 1) {
      const item = items.at(level, row, col);
      const square: [number, number, number] = [col * side + view.x, row * side + view.y, side];
      if (item === null) {
        paintEmpty(pen, look, ...square);
        continue;
      }
      if (store === null || !items.pictured(item)) paintWords(pen, scene, look, item, square);
      else if (scene.sized) {
        paintEmpty(pen, { ...look, line: look.well }, ...square);
        const cut = cutOf(store, level, row, col);
        const small = side * sizeOf(scene, item);
        const inset = (side - small) / 2;
        if (cut !== null) pen.drawImage(cut.tile, cut.x, cut.y, cut.side, cut.side, square[0] + inset, square[1] + inset, small, small);
      }
      if (level === 0 && side >= FRAMED) paintFrames(pen, scene, look, item, square);
      if (side >= 14) paintBadges(pen, scene, look, item, square);
      painted += 1;
    }
  }
  return painted;
}

/** How wide an item is drawn, as a share of its cell. */
export function sizeOf(scene: Scene, item: number): number {
  return scene.sized ? 1 - STEP * (4 - Math.min(4, Math.max(1, scene.items.size[item] ?? 4))) : 1;
}

function paintTint(pen: Pen, view: View, raster: HTMLCanvasElement, opacity: number): void {
  pen.save();
  pen.globalAlpha = opacity;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(raster, view.x, view.y, raster.width * view.k, raster.height * view.k);
  pen.restore();
}

/** Paint the part of the grid that is in a window; tiles that are missing are fetched afterwards. */
export function paintGrid(pen: Pen, scene: Scene, look: Look, view: View, [wide, tall, ratio]: [number, number, number]): Painted {
  const pixel = (value: number): number => Math.round(value * ratio) / ratio;
  const found: Painted = { level: levelOf(scene, view.k), cells: 0, sprites: 0, points: 0, lines: 0 };
  for (const region of regions(scene, view, wide, tall)) {
    const { box, side } = region;
    const visible = (box.bottom - box.top) * (box.right - box.left);
    pen.imageSmoothingEnabled = scene.store === null || !scene.store.facts.pixelated || side < scene.store.facts.cell;
    const { grid } = scene.items.facts;
    pen.save();
    pen.beginPath(); // a coarse cell at the border stands for fewer, and is cut off where they end
    pen.rect(view.x, view.y, grid[1] * view.k, (box.top > grid[0] ? scene.items.rows : grid[0]) * view.k);
    pen.clip();
    pen.fillStyle = look.well;
    pen.fillRect(box.left * side + view.x, box.top * side + view.y, (box.right - box.left) * side, (box.bottom - box.top) * side);
    if (scene.store !== null && (!scene.sized || visible > MOST_CELLS)) paintTiles(pen, scene, scene.store, view, region, pixel);
    if (visible <= MOST_CELLS && side >= 3) found.cells += paintEach(pen, scene, look, view, region);
    pen.restore();
  }
  const bare = scene.store === null && found.cells === 0;
  if (scene.tint !== null && (bare || (view.k < FRAMED && scene.store !== null))) paintTint(pen, view, scene.tint, bare ? 1 : TINT);
  if (scene.marked !== null && view.k < FRAMED) paintTint(pen, view, scene.marked, 0.75);
  return found;
}
