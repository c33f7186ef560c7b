// The same numbers as in fvhooks/widgets/graph_rows.py, which draws the still picture.
export const SMALLEST = 33;
export const LARGEST = 100;
export const THICKEST = 6;
export const FAINTEST = 0.2;
const UNSURE = 0.7;

/** The side of a node in pixels, linear in its score. */
export function sideOf(score: number, highest: number): number {
  return SMALLEST + ((LARGEST - SMALLEST) * Math.max(score, 0)) / highest;
}

/** The width of an edge in pixels, linear in the size of its weight. */
export function widthOf(weight: number, strongest: number): number {
  return (THICKEST * Math.abs(weight)) / strongest;
}

/** The opacity of an edge: the more stable, the more solid. */
export function opacityOf(stability: number | undefined): number {
  if (stability === undefined || Number.isNaN(stability)) return UNSURE;
  return FAINTEST + (0.9 - FAINTEST) * Math.min(1, Math.max(0, stability));
}

const SIDES = ["fvh-first", "fvh-both", "fvh-second"];

/** The style class of what belongs to the first of two classes (−1), to both (0) or to the second (1). */
export function sideClass(side: number | null | undefined): string | null {
  return side === null || side === undefined ? null : (SIDES[Math.sign(side) + 1] ?? null);
}

/** A signed number for people. */
export function signed(value: number): string {
  const plain = Math.abs(value) >= 1000 ? Math.round(Math.abs(value)).toLocaleString("en") : String(Number(Math.abs(value).toPrecision(3)));
  return `${value < 0 ? "−" : "+"}${plain}`;
}
