import { html, svg } from "../dom";
import type { Classes, Sorting } from "./classdata";

const SHOWN = 250;
const ROW = 58; // pixels; the style sheet says the same
const BAR = { width: 90, height: 20 };

function histogram(classes: Classes, index: number): SVGElement | null {
  const { histogram: all } = classes;
  const bins = classes.facts.bins;
  if (all === null || bins === 0) return null;
  const part = all.subarray(index * bins, (index + 1) * bins);
  const most = part.reduce((a, b) => Math.max(a, b), 0) || 1;
  const wide = BAR.width / bins;
  const bars = Array.from(part, (value, bin) => {
    const tall = (value / most) * BAR.height;
    return svg("rect", { x: bin * wide, y: BAR.height - tall, width: Math.max(0.5, wide - 0.5), height: tall });
  });
  const label = "Histogram of the probability that the model gives this class on its own images";
  return svg("svg", { class: "fvh-spark", viewBox: `0 0 ${BAR.width} ${BAR.height}`, width: BAR.width, height: BAR.height, role: "img", "aria-label": label }, ...bars);
}

/** The list of classes beside the map: searched, sorted, with how alike each is to the graph's own. */
export class ClassList {
  readonly element = html("div", { class: "fvh-classes", role: "listbox", "aria-label": "Classes", tabindex: 0 });
  private order: number[] = [];

  constructor(
    private readonly classes: Classes,
    private readonly choose: (index: number) => void,
    private readonly hover: (index: number) => void,
    scrolled: () => void,
  ) {
    this.element.addEventListener("scroll", scrolled, { passive: true });
    this.element.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step === 0) return;
      event.preventDefault();
      event.stopPropagation();
      const now = this.order.indexOf(Number(this.element.querySelector('[aria-selected="true"]')?.getAttribute("data-class") ?? -1));
      const next = this.order[Math.min(this.order.length - 1, Math.max(0, now + step))];
      if (next !== undefined) this.choose(next);
    });
  }

  draw(sorting: Sorting, layer: number, words: string, chosen: number): void {
    this.order = this.classes.sorted(sorting, layer, words).slice(0, SHOWN);
    this.element.replaceChildren(...this.order.map((index) => this.row(index, layer)));
    this.mark(chosen);
  }

  mark(chosen: number): void {
    for (const row of this.element.children) row.setAttribute("aria-selected", String(Number(row.getAttribute("data-class")) === chosen));
  }

  /** The classes that are inside the list's window now. */
  listed(): Set<number> {
    const first = Math.floor(this.element.scrollTop / ROW);
    const last = Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW);
    return new Set(this.order.slice(first, last));
  }

  private row(index: number, layer: number): HTMLElement {
    const { facts, accuracy, images } = this.classes;
    const alike = this.classes.similarityAt(layer, index);
    const told = [
      accuracy === null ? null : `${(100 * (accuracy[index] ?? 0)).toFixed(0)} % right`,
      images === null ? null : `${Math.round(images[index] ?? 0).toLocaleString("en")} images`,
    ].flatMap((part) => part ?? []);
    const share = Number.isNaN(alike) ? 0 : Math.max(0, Math.min(1, alike));
    const bar = html("span", { class: "fvh-alike", title: `similarity ${alike.toFixed(2)}` }, html("span", { style: `width:${(100 * share).toFixed(1)}%` }));
    const look = index === facts.own ? "fvh-class fvh-own-class" : "fvh-class";
    const row = html("div", { class: look, role: "option", "data-class": index }, html("strong", {}, facts.name[index] ?? ""), histogram(this.classes, index), html("small", {}, told.join(" · ")), Number.isNaN(alike) ? null : bar);
    row.addEventListener("click", () => this.choose(index));
    row.addEventListener("pointerenter", () => this.hover(index));
    row.addEventListener("pointerleave", () => this.hover(-1));
    return row;
  }
}
