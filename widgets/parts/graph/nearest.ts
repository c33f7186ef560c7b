import type { Places } from "./rows";

const STEPS = 16;

/** The shown node at a point; the last of several, which lies on top. */
export function nodeAt(places: Places, shown: Uint8Array, x: number, y: number): number | null {
  for (let node = places.x.length - 1; node >= 0; node -= 1) {
    const half = (places.side[node] ?? 0) / 2;
    const inside = Math.abs((places.x[node] ?? NaN) - x) <= half && Math.abs((places.y[node] ?? NaN) - y) <= half;
    if (inside && shown[node] === 1) return node;
  }
  return null;
}

/** The squared distance from a point to a Bézier given by its four points. */
export function distanceTo(curve: number[], x: number, y: number): number {
  const [ax = 0, ay = 0, bx = 0, by = 0, cx = 0, cy = 0, dx = 0, dy = 0] = curve;
  let [best, px, py] = [Infinity, ax, ay];
  for (let step = 1; step <= STEPS; step += 1) {
    const t = step / STEPS;
    const s = 1 - t;
    const [p, q, r, u] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
    const [nx, ny] = [p * ax + q * bx + r * cx + u * dx, p * ay + q * by + r * cy + u * dy];
    const [vx, vy] = [nx - px, ny - py];
    const along = Math.min(1, Math.max(0, ((x - px) * vx + (y - py) * vy) / (vx * vx + vy * vy || 1)));
    best = Math.min(best, (px + along * vx - x) ** 2 + (py + along * vy - y) ** 2);
    [px, py] = [nx, ny];
  }
  return best;
}

/** The edge whose curve comes nearest to a point, if any comes within `reach`; the last of equals, which lies on top. */
export function nearestEdge(edges: number[], curves: Map<number, number[]>, x: number, y: number, reach: number): number | null {
  let [found, best]: [number | null, number] = [null, reach * reach];
  for (const edge of edges) {
    const curve = curves.get(edge);
    if (curve === undefined) continue;
    const [ax = 0, ay = 0, , , , , dx = 0, dy = 0] = curve;
    if (x < Math.min(ax, dx) - reach || x > Math.max(ax, dx) + reach) continue; // a Bézier lies within its points
    if (y < Math.min(ay, dy) - reach || y > Math.max(ay, dy) + reach) continue;
    const distance = distanceTo(curve, x, y);
    if (distance <= best) [found, best] = [edge, distance];
  }
  return found;
}
