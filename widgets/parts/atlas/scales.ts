import type { Items } from "./items";

export interface Overlay {
  name: string;
  words: string;
  colours: Uint32Array; // of each item, as bytes red, green, blue, alpha
  ramp: { low: number; high: number } | null;
  kinds: { words: string; colour: string; count: number }[];
  note: string;
}

/** What an overlay is called. */
export const NAMES: Record<string, string> = {
  none: "None",
  density: "Density",
  score: "Score",
  label: "Class",
  trust: "Local trust",
  stratum: "Stratum",
  displacement: "Displacement",
};

const NOTES: Record<string, string> = {
  density: "share of the fullest place of the layout",
  trust: "share of the nearest items that are nearest on the grid too",
  displacement: "cells that the grid moved an item by; lines lead from its place before, at most for the 500 that moved farthest",
};

// dark to light in even steps, and told apart by those who see no red or no green
const RAMP: [number, number, number][] = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]]; // prettier-ignore
const KINDS: [number, number, number][] = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233], [122, 88, 168], [165, 150, 30], [150, 75, 50], [40, 140, 160]]; // prettier-ignore
const OTHER: [number, number, number] = [136, 144, 155];

function bytes([red, green, blue]: [number, number, number]): number {
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}

export function css([red, green, blue]: [number, number, number]): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** The colour of a share from 0 to 1. */
export function rampAt(share: number): [number, number, number] {
  const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  const [from, to] = [RAMP[low]!, RAMP[low + 1]!];
  const mixed = (channel: 0 | 1 | 2): number => Math.round(from[channel] + (at - low) * (to[channel] - from[channel]));
  return [mixed(0), mixed(1), mixed(2)];
}

/** The ramp as a background. */
export function rampStyle(): string {
  return `linear-gradient(to right, ${RAMP.map(css).join(", ")})`;
}

/** A colour of `colours` as CSS knows it. */
export function cssOf(packed: number): string {
  return css([packed & 255, (packed >> 8) & 255, (packed >> 16) & 255]);
}

function ramped(items: Items, name: string, value: (item: number) => number): Overlay {
  let [low, high] = name === "density" || name === "trust" ? [0, 1] : [Infinity, -Infinity];
  for (let item = 0; item < items.count; item += 1) {
    const one = value(item);
    if (!Number.isFinite(one)) continue;
    [low, high] = [Math.min(low, one), Math.max(high, one)];
  }
  if (low > high) [low, high] = [0, 0];
  const steps = Array.from({ length: 256 }, (_, at) => bytes(rampAt(at / 255)));
  const colours = new Uint32Array(items.count);
  let unknown = 0;
  for (let item = 0; item < items.count; item += 1) {
    const one = value(item);
    const known = Number.isFinite(one);
    unknown += known ? 0 : 1;
    colours[item] = known ? steps[high > low ? Math.round((255 * (one - low)) / (high - low)) : 0]! : bytes(OTHER);
  }
  const kinds = unknown === 0 ? [] : [{ words: "not known", colour: css(OTHER), count: unknown }];
  return { name, words: NAMES[name] ?? name, colours, ramp: { low, high }, kinds, note: NOTES[name] ?? "" };
}

/** Colours for the commonest codes; the others share one. */
function sorted(items: Items, name: string, code: (item: number) => number, words: (code: number) => string): Overlay {
  const counts = new Map<number, number>();
  for (let item = 0; item < items.count; item += 1) counts.set(code(item), (counts.get(code(item)) ?? 0) + 1);
  const order = [...counts].filter(([one]) => words(one) !== "").sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const shown = order.slice(0, KINDS.length);
  const inks = new Map(shown.map(([one], at) => [one, KINDS[at]!]));
  const colours = new Uint32Array(items.count);
  for (let item = 0; item < items.count; item += 1) colours[item] = bytes(inks.get(code(item)) ?? OTHER);
  const kinds = shown.map(([one, count], at) => ({ words: words(one), colour: css(KINDS[at]!), count }));
  const rest = items.count - kinds.reduce((sum, kind) => sum + kind.count, 0);
  const more = order.length - shown.length;
  if (rest > 0) kinds.push({ words: more > 0 ? `${more} others` : "none", colour: css(OTHER), count: rest });
  return { name, words: NAMES[name] ?? name, colours, ramp: null, kinds, note: "" };
}

/** Colours of all items by what an overlay tells of them; null for none. */
export function overlayOf(items: Items, name: string): Overlay | null {
  if (name === "density") return ramped(items, name, (item) => items.densityOf(item));
  if (name === "trust") return ramped(items, name, (item) => items.trustOf(item));
  if (name === "score") return ramped(items, name, (item) => items.score[item] ?? NaN);
  if (name === "displacement") return ramped(items, name, (item) => items.displacement[item] ?? NaN);
  if (name === "label") return sorted(items, name, (item) => items.label[item] ?? 0, (code) => items.labels[code] ?? "");
  if (name === "stratum") return sorted(items, name, (item) => items.stratum[item] ?? 0, (code) => items.facts.strata[code] ?? "");
  return null;
}

/** A number for people: three significant digits, a dash where there is none. */
export function said(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const words = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
  return words.replace("-", "−");
}
