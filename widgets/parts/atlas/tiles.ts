import { slice } from "../blobs";
import type { TileFacts } from "./facts";
import type { Items } from "./items";
import { Lru } from "./lru";

export type Place = [level: number, row: number, col: number];

const MOST = 128; // decoded tiles that are kept: of 512 pixels a side, a megabyte each
const ASKED = 32; // tiles that may be on their way at once
const PATIENCE = 20_000; // milliseconds after which a tile that did not come may be asked for again

/** The tiles of a map: some come with the page, others are asked for one by one, and the last used stay decoded. */
export class TileStore {
  private readonly bitmaps = new Lru<ImageBitmap>(MOST, (bitmap) => bitmap.close());
  private readonly kept = new Map<string, Uint8Array<ArrayBuffer>>();
  private readonly coming = new Map<string, number>(); // since when
  private readonly absent = new Set<string>(); // tiles without any item
  private wanted: Place[] = [];
  private released = false;

  constructor(
    readonly facts: TileFacts,
    packed: DataView,
    private readonly ask: (places: Place[]) => void,
    private readonly arrived: () => void,
  ) {
    for (const [level, row, col, start, end] of facts.kept) this.kept.set(String([level, row, col]), slice(packed, [start, end]));
  }

  /** A tile that is there; else null, and it is fetched by the next `fetch`. */
  get(...place: Place): ImageBitmap | null {
    const found = this.bitmaps.get(String(place));
    if (found !== undefined) return found;
    if (this.can(...place)) this.wanted.push(place);
    return null;
  }

  loaded(...place: Place): boolean {
    return this.bitmaps.has(String(place));
  }

  /** Whether a tile could be had at all. */
  can(...place: Place): boolean {
    return (this.facts.whole && !this.absent.has(String(place))) || this.kept.has(String(place));
  }

  /** Fetch what was wanted since the last time; what came with the page is only decoded. */
  fetch(): void {
    const now = performance.now();
    const asked: Place[] = [];
    for (const place of this.wanted) {
      const key = String(place);
      const since = this.coming.get(key);
      if (since !== undefined && now - since < PATIENCE) continue;
      const held = this.kept.get(key);
      if (held === undefined && this.coming.size >= ASKED) continue;
      this.coming.set(key, now);
      if (held === undefined) asked.push(place);
      else void this.decode(key, held);
    }
    this.wanted = [];
    if (asked.length > 0) this.ask(asked);
  }

  keep(place: Place, bytes: Uint8Array<ArrayBuffer>): void {
    void this.decode(String(place), bytes);
  }

  /** There is no such tile: none of its cells has an item. */
  lacks(place: Place): void {
    this.absent.add(String(place));
    this.coming.delete(String(place));
  }

  release(): void {
    this.released = true;
    this.bitmaps.clear();
  }

  private async decode(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      const bitmap = await createImageBitmap(new Blob([bytes]));
      if (this.released) bitmap.close();
      else this.bitmaps.set(key, bitmap);
    } catch {
      this.kept.delete(key); // a picture that is none: the cell stays without one
    }
    this.coming.delete(key);
    if (!this.released) this.arrived();
  }
}

export interface Cut {
  tile: ImageBitmap;
  x: number;
  y: number;
  side: number;
}

/** Where a cell of a level lies in its tile. */
export function cutOf(store: TileStore, level: number, row: number, col: number): Cut | null {
  const { per, cell } = store.facts;
  const tile = store.get(level, Math.floor(row / per), Math.floor(col / per));
  return tile === null ? null : { tile, x: (col % per) * cell, y: (row % per) * cell, side: cell };
}

/** An item's own picture: from its cell, else from a coarser level where it stands for others. */
export function pictureOf(store: TileStore, items: Items, item: number): Cut | null {
  const [row, col] = [items.row[item] ?? 0, items.col[item] ?? 0];
  const found = cutOf(store, 0, row, col);
  if (found !== null) return found;
  const { per } = store.facts;
  for (let level = 1; level < items.levels.length; level += 1) {
    const [r, c] = [row >> level, col >> level];
    if (items.strip[item] === 1 || items.at(level, r, c) !== item) return null;
    if (store.loaded(level, Math.floor(r / per), Math.floor(c / per))) return cutOf(store, level, r, c);
  }
  return null;
}

/** The level whose picture is seen at a cell of a level: a coarser one where its own tile is not there. */
export function seenLevel(store: TileStore | null, levels: number, level: number, row: number, col: number): number {
  if (store === null) return level;
  const { per } = store.facts;
  for (let up = 0; level + up < levels; up += 1) {
    if (store.loaded(level + up, Math.floor((row >> up) / per), Math.floor((col >> up) / per))) return level + up;
  }
  return level;
}
