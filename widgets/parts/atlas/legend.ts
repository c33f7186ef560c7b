import { html } from "../dom";
import type { AtlasFacts, Gains } from "./facts";
import type { Items } from "./items";
import { type Overlay, rampStyle, said } from "./scales";

function gains({ ks, rows }: Gains): HTMLElement {
  const heads = ["Neighbours kept", ...ks.map((k) => `k = ${k}`)].map((words) => html("th", { scope: "col" }, words));
  const lines = rows.map(([stage, values]) => html("tr", {}, html("th", { scope: "row" }, stage), ...values.map((value) => html("td", {}, value))));
  return html("table", { class: "fvh-table fvh-gains" }, html("thead", {}, html("tr", {}, ...heads)), html("tbody", {}, ...lines));
}

function marks(items: Items): HTMLElement[] {
  const counts = new Map<string, number>();
  let flagged = 0;
  for (let item = 0; item < items.count; item += 1) {
    const source = items.sourceOf(item);
    counts.set(source, (counts.get(source) ?? 0) + 1);
    flagged += (items.flag[item] ?? 0) > 0 ? 1 : 0;
  }
  const line = (sign: string, look: string, words: string, count: number): HTMLElement =>
    html("li", {}, html("span", { class: `fvh-mark-sign ${look}`, "aria-hidden": "true" }, sign), `${words}: ${count.toLocaleString("en")}`);
  const found: [string, string, string, number][] = [
    ["S", "fvh-made", "synthetic pictures", counts.get("synthetic") ?? 0],
    ["G", "fvh-made", "generated pictures", counts.get("generated") ?? 0],
    ["!", "fvh-wrong", "flagged", flagged],
  ];
  const empty = items.facts.grid[0] * items.columns - items.count + [...items.strip].reduce((sum: number, one) => sum + one, 0);
  if (empty > 0) found.push(["∕", "fvh-none", "empty cells", empty]);
  return found.filter(([, , , count]) => count > 0).map((one) => line(...one));
}

/** What the colours and marks mean, and what the map was made with. */
export class Legend {
  readonly element = html("div", { class: "fvh-legends" });
  private readonly scale = html("div", { class: "fvh-scale", role: "status" });
  private readonly signs = html("ul", { class: "fvh-marks" });

  constructor(facts: AtlasFacts) {
    const told = facts.told.map(([name, value]) => html("li", {}, html("span", {}, `${name} `), value));
    this.element.append(html("div", {}, this.scale, this.signs, html("ul", { class: "fvh-told" }, ...told)));
    if (facts.gains !== null) this.element.append(html("div", { class: "fvh-scroll" }, gains(facts.gains)));
  }

  count(items: Items): void {
    this.signs.replaceChildren(...marks(items));
  }

  show(overlay: Overlay | null, note: string): void {
    const more = note === "" ? [] : [html("p", { class: "fvh-phrase" }, note)];
    if (overlay === null) {
      this.scale.replaceChildren(...more);
      return;
    }
    const name = html("strong", {}, overlay.words);
    const kinds = overlay.kinds.map(({ words, colour, count }) =>
      html("li", {}, html("span", { class: "fvh-swatch", style: `background:${colour}` }), `${words} (${count.toLocaleString("en")})`),
    );
    const ramp = overlay.ramp === null ? null : html("span", { class: "fvh-ramp" }, said(overlay.ramp.low), html("span", { style: `background:${rampStyle()}` }), said(overlay.ramp.high));
    const told = overlay.note === "" ? null : html("span", { class: "fvh-phrase" }, overlay.note);
    const line = html("p", { class: "fvh-scale-line" }, name, ramp, told);
    this.scale.replaceChildren(line, html("ul", { class: "fvh-kinds" }, ...kinds), ...more);
  }
}
