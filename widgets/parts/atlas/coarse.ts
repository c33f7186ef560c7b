import { html } from "../dom";
import type { AtlasFacts } from "./facts";
import type { TileStore } from "./tiles";
import { tilesOf } from "./zoom";

const WIDE = 760;

/** A picture of a map from the coarse levels that came with it, for as long as nothing else is there. */
export class Coarse {
  readonly element = html("figure", { class: "fvh-coarse" });
  private readonly canvas = html("canvas", { role: "img" });
  private readonly level: number;

  constructor(
    private readonly facts: AtlasFacts,
    private readonly store: TileStore | null,
  ) {
    this.level = this.finest();
    this.canvas.setAttribute("aria-label", `Picture of ${facts.title}`);
    this.element.append(this.canvas);
    this.element.hidden = store === null || this.level < 0;
    this.paint();
  }

  paint(): void {
    const { store, level } = this;
    const pen = this.canvas.getContext("2d");
    if (store === null || pen === null || level < 0) return;
    const [rows, columns] = this.size(level);
    const side = Math.max(1, Math.floor(WIDE / Math.max(rows, columns)));
    [this.canvas.width, this.canvas.height] = [columns * side, rows * side];
    const { per, cell } = store.facts;
    for (const [row, col] of tilesOf({ top: 0, left: 0, bottom: rows, right: columns }, per)) {
      const tile = store.get(level, row, col);
      const [wide, tall] = [Math.min(per, columns - col * per), Math.min(per, rows - row * per)];
      if (tile !== null) pen.drawImage(tile, 0, 0, wide * cell, tall * cell, col * per * side, row * per * side, wide * side, tall * side);
    }
    store.fetch();
  }

  /** The finest level of which every tile came with the page; −1 where there is none. */
  private finest(): number {
    const kept = new Set((this.facts.tiles?.kept ?? []).map(([level, row, col]) => `${level},${row},${col}`));
    return this.facts.levels.findIndex((_, level) => {
      const [rows, columns] = this.size(level);
      const tiles = tilesOf({ top: 0, left: 0, bottom: rows, right: columns }, this.facts.tiles?.per ?? 1);
      return tiles.length > 0 && tiles.every(([row, col]) => kept.has(`${level},${row},${col}`));
    });
  }

  private size(level: number): [number, number] {
    return this.facts.levels[level] ?? [0, 0];
  }
}
