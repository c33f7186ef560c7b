import type { View } from "../camera";
import { paintBadges, paintFrames, paintWords } from "./cells";
import { sizeOf } from "./grid";
import type { Points } from "./raster";
import { type Look, type Painted, type Pen, type Scene } from "./scene";
import { pictureOf } from "./tiles";

const SPRITE = 14; // pixels from which an item is drawn as a picture
const MOST_SPRITES = 2_500;
const SIDE = 0.92; // of a cell

/** The side of an item where it is not on the grid, in cells. */
export function scatterSide(scene: Scene, item: number, k: number): number {
  const side = SIDE * sizeOf(scene, item);
  return side * k >= SPRITE * 0.25 ? side : Math.max(side, 4 / k);
}

/** The items in a window of the world; null where they are too many to be drawn one by one. */
function visible(scene: Scene, view: View, wide: number, tall: number): number[] | null {
  const [left, top] = [-view.x / view.k - 0.5, -view.y / view.k - 0.5];
  const [right, bottom] = [left + wide / view.k + 1, top + tall / view.k + 1];
  if (scene.mix === 0) return scene.buckets.within(left, top, right, bottom, MOST_SPRITES)?.sort((a, b) => a - b) ?? null;
  const found: number[] = [];
  for (let item = 0; item < scene.items.count && found.length <= MOST_SPRITES; item += 1) {
    const [x, y] = [scene.x[item]!, scene.y[item]!];
    if (x >= left && x <= right && y >= top && y <= bottom) found.push(item);
  }
  return found.length > MOST_SPRITES ? null : found;
}

function paintSprite(pen: Pen, scene: Scene, look: Look, view: View, item: number): void {
  const side = view.k * SIDE * sizeOf(scene, item);
  const square: [number, number, number] = [scene.x[item]! * view.k + view.x - side / 2, scene.y[item]! * view.k + view.y - side / 2, side];
  const cut = scene.store === null || !scene.items.pictured(item) ? null : pictureOf(scene.store, scene.items, item);
  if (cut === null) paintWords(pen, scene, look, item, square);
  else pen.drawImage(cut.tile, cut.x, cut.y, cut.side, cut.side, ...square, side);
  pen.strokeStyle = look.paper;
  pen.lineWidth = 1;
  pen.strokeRect(...square, side);
  paintFrames(pen, scene, look, item, square);
  paintBadges(pen, scene, look, item, square);
}

/** Paint items where they are now: as pictures where there is room for them, else as points. */
export function paintItems(pen: Pen, scene: Scene, look: Look, view: View, [wide, tall, ratio]: [number, number, number], points: Points): Painted {
  const found: Painted = { level: 0, cells: 0, sprites: 0, points: 0, lines: 0 };
  const near = view.k >= SPRITE ? visible(scene, view, wide, tall) : null;
  if (near !== null) {
    pen.imageSmoothingEnabled = scene.store === null || !scene.store.facts.pixelated || view.k < scene.store.facts.cell;
    for (const item of near) paintSprite(pen, scene, look, view, item);
    found.sprites = near.length;
    return found;
  }
  const device = { k: view.k * ratio, x: view.x * ratio, y: view.y * ratio };
  const inks = scene.overlay?.colours;
  const [plain, accent, focus] = [look.soft, look.accent, look.focus].map((ink) => packedOf(pen, ink)) as [number, number, number];
  const ink = (item: number): number => (scene.selected[item] === 1 ? accent : scene.hits[item] === 1 ? focus : (inks?.[item] ?? plain));
  const side = Math.min(6, Math.max(2, view.k * SIDE * 0.6)) * ratio;
  found.points = points.paint(pen, scene.x, scene.y, device, side, ink);
  return found;
}

/** A colour of the style sheet as the bytes of a pixel. */
export function packedOf(pen: Pen, ink: string): number {
  pen.fillStyle = "#888888";
  pen.fillStyle = ink;
  const value = parseInt(String(pen.fillStyle).slice(1, 7), 16); // a canvas says colours as #rrggbb
  return ((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}
