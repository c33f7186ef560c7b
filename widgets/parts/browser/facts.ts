import type { Span, UnitContent } from "../types";

// What Python sends; the same words as in fvhooks/widgets/browser_states.py.
export interface BrowserFacts {
  title: string;
  kernel: boolean; // whether Python can be asked
  layers: [name: string, units: number, dead: number][];
  statistics: string[];
  labels: [number: number, name: string][];
  columns: Record<string, Record<string, Span>>; // by layer and key
  notes: string[];
}

export interface BrowserState {
  unit: string;
  selected: string[];
  seed: number;
  faded: boolean;
  layer: string;
  statistic: string;
  label: number;
  descending: boolean;
  query: string;
  page: number;
  seeds: number[];
  browser: BrowserFacts;
  loaded: Record<string, UnitContent>;
  thumbs: Record<string, Span>;
  blobs: DataView;
}

export type Message =
  | { type: "column"; layer: string; key: string; count: number; start: number }
  | { type: "thumbs"; asked: string[]; spans: Record<string, Span> }
  | { type: "content"; unit: string; content: UnitContent }
  | { type: "opened"; what: "atlas" | "circuit"; unit: string; title: string }
  | { type: "error"; text: string };

export const SELECTIVITY = "selectivity";
export const SHARE = "share of images it fires for";
export const BEST = "best label";

/** What a view is sorted by: a statistic, or the selectivity for one label. */
export function keyOf(statistic: string, label: number): string {
  return statistic === SELECTIVITY && label >= 0 ? `label ${label}` : statistic;
}

/** A value for people. */
export function worded(value: number, statistic: string): string {
  if (Number.isNaN(value)) return "–";
  if (statistic === SHARE) return `${Number((100 * value).toPrecision(3))} %`;
  return Number(value.toPrecision(3)).toLocaleString("en").replace("-", "−");
}

/** The layer and the channel that an id names; null where it names none. */
export function placeOf(unit: string): [layer: string, channel: number] | null {
  const found = /^(.+):(\d+)$/s.exec(unit);
  return found === null ? null : [found[1] ?? "", Number(found[2])];
}
