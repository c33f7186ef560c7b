import type { View } from "../camera";
import type { Items } from "./items";

/** A pixel for each cell, which is scaled to whatever size: what an overlay costs does not grow with the zoom. */
export function cellRaster(items: Items, colours: Uint32Array): HTMLCanvasElement | null {
  const made = document.createElement("canvas");
  [made.width, made.height] = [Math.max(1, items.columns), Math.max(1, items.rows)];
  const pen = made.getContext("2d");
  if (pen === null) return null;
  const image = pen.createImageData(made.width, made.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let item = 0; item < items.count; item += 1) pixels[items.row[item]! * items.columns + items.col[item]!] = colours[item]!;
  pen.putImageData(image, 0, 0);
  return made;
}

/** Squares of one colour each, written as pixels, which a hundred thousand of them need. */
export class Points {
  private image: ImageData | null = null;

  /** Write points at (x, y) of the world, seen by `view` in device pixels, `side` pixels wide. */
  paint(pen: CanvasRenderingContext2D, x: ArrayLike<number>, y: ArrayLike<number>, view: View, side: number, colour: (item: number) => number): number {
    const { width, height } = pen.canvas;
    if (this.image === null || this.image.width !== width || this.image.height !== height) this.image = pen.createImageData(width, height);
    const pixels = new Uint32Array(this.image.data.buffer);
    pixels.fill(0);
    const [whole, half] = [Math.max(1, Math.round(side)), side / 2];
    let painted = 0;
    for (let item = 0; item < x.length; item += 1) {
      const [left, top] = [Math.round(x[item]! * view.k + view.x - half), Math.round(y[item]! * view.k + view.y - half)];
      if (left < 0 || top < 0 || left + whole > width || top + whole > height) continue;
      const ink = colour(item);
      for (let row = 0; row < whole; row += 1) pixels.fill(ink, (top + row) * width + left, (top + row) * width + left + whole);
      painted += 1;
    }
    pen.putImageData(this.image, 0, 0);
    return painted;
  }
}
