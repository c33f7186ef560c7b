import type { Buckets } from "./buckets";
import type { Items } from "./items";
import type { Overlay } from "./scales";
import type { TileStore } from "./tiles";

export interface Look {
  ink: string;
  soft: string;
  paper: string;
  well: string;
  line: string;
  accent: string;
  focus: string;
  bad: string;
  open: string;
}

/** All that a painting shows beside where it is seen from. */
export interface Scene {
  items: Items;
  store: TileStore | null;
  buckets: Buckets;
  overlay: Overlay | null;
  tint: HTMLCanvasElement | null; // of the overlay, a pixel a cell
  marked: HTMLCanvasElement | null; // of what is selected and of what was found
  selected: Uint8Array;
  hits: Uint8Array;
  sized: boolean;
  edges: boolean;
  level: number | null; // null: as the zoom wants it
  mix: number; // 0: where the layout put them; 1: on the grid
  x: Float32Array; // of each item's middle now, in cells
  y: Float32Array;
}

export interface Painted {
  level: number;
  cells: number;
  sprites: number;
  points: number;
  lines: number;
}

export type Pen = CanvasRenderingContext2D;

export const PICTURE_LEAST = 24; // pixels that a picture should have on the screen
const TEXT_LEAST = 84; // and a cell of words
export const MOST_CELLS = 6_000; // that are painted one by one

/** The pixels that a cell should have at least, by what it shows. */
export function leastOf(scene: Scene): number {
  return scene.store === null ? TEXT_LEAST : Math.max(PICTURE_LEAST, Math.min(32, scene.store.facts.cell / 2));
}
