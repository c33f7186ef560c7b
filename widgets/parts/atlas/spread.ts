import { html } from "../dom";
import { drawHistogram, ticks } from "../histogram";
import type { Histogram } from "../types";
import type { HistogramFacts } from "./facts";
import type { Items, Peaks } from "./items";
import { said } from "./scales";

/** One mark where a value lies between two ends; none where it is not known. */
function marked(value: number, low: number, high: number): Pick<Histogram, "marks" | "labels"> {
  const share = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  return { marks: [Number.isFinite(value) ? share : null], labels: [said(value)] };
}

/** All scores of the map, with one item's marked. */
export function ofScores(facts: HistogramFacts & { kind: "scores" }, score: number): Histogram {
  const { counts, edges } = facts;
  const [low, high] = [edges[0] ?? 0, edges[edges.length - 1] ?? 1];
  const [span, most] = [high - low || 1, Math.max(1, ...counts)];
  const bars = counts.flatMap((count, at): [number, number, number][] => {
    const [from, to] = [edges[at] ?? 0, edges[at + 1] ?? 0];
    return count === 0 ? [] : [[(from - low) / span, (to - from) / span, count / most]];
  });
  const summary = `Scores from ${said(low)} to ${said(high)}; this one ${said(score)}`;
  return { bars, ticks: facts.ticks, ...marked(score, low, high), summary };
}

/** The peaks of one unit from its lowest to its highest, with its strongest marked. */
export function ofPeaks({ counts, low, high, strongest }: Peaks): Histogram {
  const most = Math.max(1, ...counts);
  const bars = counts.flatMap((count, at): [number, number, number][] => (count === 0 ? [] : [[at / counts.length, 1 / counts.length, count / most]]));
  const round = ticks(low, high).map((at): [number, string] => [(at - low) / (high - low), said(at)]);
  const summary = `Peaks of real images from ${said(low)} to ${said(high)}; the strongest ${said(strongest)}`;
  return { bars, ticks: round, ...marked(strongest, low, high), summary };
}

/** How the scores of the map, or the peaks of a unit, spread; nothing where that is not known. */
export function spread(items: Items, item: number): Element[] {
  const facts = items.facts.histogram;
  if (facts?.kind === "scores") return [html("h4", {}, "Scores"), drawHistogram(ofScores(facts, items.score[item] ?? NaN), 0)];
  const peaks = items.peaksOf(item);
  if (peaks === null || !Number.isFinite(peaks.low) || !Number.isFinite(peaks.high)) return [];
  const flat = !(peaks.high > peaks.low); // as of a unit that never fires: there is no axis to draw on
  const shown = flat ? html("p", { class: "fvh-phrase" }, `All at ${said(peaks.low)}.`) : drawHistogram(ofPeaks(peaks), 0);
  return [html("h4", {}, "Peaks of real images"), shown];
}
