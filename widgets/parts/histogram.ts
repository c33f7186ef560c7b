import { svg } from "./dom";
import type { Histogram } from "./types";

// The same numbers as in fvhooks/widgets/charts.py, which draws the static picture.
export const PLOT = { width: 420, height: 132, left: 8, right: 412, top: 22, bottom: 108 };

/** The x coordinate of a fraction of the plot's width. */
export function across(fraction: number): number {
  return PLOT.left + fraction * (PLOT.right - PLOT.left);
}

const STEPS = [1, 2, 2.5, 5, 10];

/** Round numbers between two ends. */
export function ticks(low: number, high: number, about = 5): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * (STEPS.find((one) => one * power >= raw * (1 - 1e-9)) ?? 10);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toFixed(12)));
}

function bar([left, width, height]: [number, number, number]): SVGElement {
  const tall = height > 0 ? Math.max(1, height * (PLOT.bottom - PLOT.top)) : 0;
  const wide = Math.max(0.5, width * (PLOT.right - PLOT.left) - 0.75);
  return svg("rect", { class: "fvh-bar", x: across(left), y: PLOT.bottom - tall, width: wide, height: tall });
}

function tick([at, text]: [number, string]): SVGElement {
  const x = across(at);
  const line = svg("line", { class: "fvh-axis", x1: x, x2: x, y1: PLOT.bottom, y2: PLOT.bottom + 4 });
  return svg("g", {}, line, svg("text", { class: "fvh-tick", x, y: PLOT.bottom + 16, "text-anchor": "middle" }, text));
}

function mark(at: number, label: string, chosen: boolean): SVGElement {
  const x = across(at);
  const top = chosen ? PLOT.top - 6 : PLOT.bottom - 14;
  const line = svg("line", { class: "fvh-mark", x1: x, x2: x, y1: top, y2: PLOT.bottom });
  if (!chosen) return svg("g", { class: "fvh-other" }, line);
  const anchor = at > 0.75 ? "end" : at < 0.25 ? "start" : "middle";
  const text = svg("text", { class: "fvh-mark-label", x, y: PLOT.top - 10, "text-anchor": anchor }, label);
  return svg("g", { class: "fvh-own", "data-at": at }, line, text);
}

/** Natural activations as bars, with the chosen seed's own activation marked and named. */
export function drawHistogram(histogram: Histogram, chosen: number): SVGElement {
  const axis = svg("line", { class: "fvh-axis", x1: PLOT.left, x2: PLOT.right, y1: PLOT.bottom, y2: PLOT.bottom });
  const drawn = histogram.marks.map((at, seed) =>
    at === null ? null : mark(at, histogram.labels[seed] ?? "", seed === chosen),
  );
  return svg(
    "svg",
    { class: "fvh-histogram", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": histogram.summary },
    ...histogram.bars.map(bar),
    axis,
    ...histogram.ticks.map(tick),
    ...drawn.filter((_, seed) => seed !== chosen),
    drawn[chosen] ?? null, // last, so that it lies over the others
  );
}
