import type { AnyModel, RenderProps } from "@anywidget/types";

import { drawAudit, drawBadges } from "./parts/audit";
import { Pictures } from "./parts/blobs";
import { html, uniqueId } from "./parts/dom";
import { drawHistogram } from "./parts/histogram";
import { drawPicture } from "./parts/picture";
import { roving } from "./parts/roving";
import { drawTops } from "./parts/strip";
import type { Facts, Span, Spans, UnitContent } from "./parts/types";

interface State {
  unit: string;
  seed: number;
  faded: boolean;
  units: string[];
  seeds: number[];
  thumbs: Span[];
  loaded: Record<string, UnitContent>;
  blobs: DataView;
}

interface Loaded {
  facts: Facts;
  urls: { pictures: string[]; masks: string[]; tops: string[] };
}

type Message = { type: "content"; unit: string; content: UnitContent } | { type: "error"; text: string };
type Model = AnyModel<State>;

/** One view of the cards: a row of units, and the card of the chosen one. */
class CardView {
  private readonly pictures = new Pictures();
  private readonly loaded = new Map<string, Loaded>();
  private readonly panel = html("article", { class: "fvh-card", role: "tabpanel", id: uniqueId() });
  private readonly markUnit: (index: number) => void;
  private readonly tabs: HTMLElement[];
  private showSeed: () => void = () => undefined;

  constructor(private readonly model: Model, el: HTMLElement) {
    for (const [unit, content] of Object.entries(model.get("loaded"))) this.keep(unit, content, model.get("blobs"));
    this.tabs = this.drawTabs();
    this.markUnit = roving(this.tabs, "aria-selected", (index) => this.choose("unit", model.get("units")[index] ?? ""));
    const list = html("div", { class: "fvh-units", role: "tablist", "aria-label": "Units" }, ...this.tabs);
    list.hidden = this.tabs.length < 2;
    el.append(html("section", { class: "fvhooks", "aria-label": "Unit cards" }, list, this.panel));
    model.on("change:unit", this.onUnit);
    model.on("change:seed", this.onSeed);
    model.on("change:faded", this.onFaded);
    model.on("msg:custom", this.onMessage);
    this.onUnit();
  }

  destroy(): void {
    this.model.off("change:unit", this.onUnit);
    this.model.off("change:seed", this.onSeed);
    this.model.off("change:faded", this.onFaded);
    this.model.off("msg:custom", this.onMessage);
    this.pictures.release();
  }

  private readonly onUnit = (): void => {
    const unit = this.model.get("unit");
    const index = this.model.get("units").indexOf(unit);
    this.markUnit(index);
    const tab = this.tabs[index];
    if (tab !== undefined) {
      tab.scrollIntoView?.({ block: "nearest", inline: "nearest" });
      this.panel.setAttribute("aria-labelledby", tab.id);
    }
    const content = this.loaded.get(unit);
    if (content !== undefined) {
      this.drawCard(content);
      return;
    }
    this.panel.replaceChildren(html("p", { class: "fvh-note", role: "status" }, `Waiting for Python to send ${unit} …`));
    this.model.send({ type: "content", unit });
  };

  private readonly onSeed = (): void => this.showSeed();

  private readonly onFaded = (): void => {
    const box = this.panel.querySelector<HTMLInputElement>(".fvh-toggle input");
    if (box !== null) box.checked = this.model.get("faded");
  };

  private readonly onMessage = (message: Message, [buffer]: DataView[]): void => {
    if (message.type === "error") {
      this.panel.replaceChildren(html("p", { class: "fvh-note", role: "alert" }, message.text));
    } else if (buffer !== undefined) {
      if (!this.loaded.has(message.unit)) this.keep(message.unit, message.content, buffer); // each view of a model gets the answer
      if (message.unit === this.model.get("unit")) this.onUnit();
    }
  };

  private keep(unit: string, { facts, spans }: UnitContent, packed: DataView): void {
    const urls = (key: keyof Spans): string[] => this.pictures.all(packed, spans[key]);
    this.loaded.set(unit, { facts, urls: { pictures: urls("pictures"), masks: urls("masks"), tops: urls("tops") } });
  }

  private choose<K extends "unit" | "seed">(trait: K, value: State[K]): void {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  private drawTabs(): HTMLElement[] {
    const thumbs = this.pictures.all(this.model.get("blobs"), this.model.get("thumbs"));
    return this.model.get("units").map((unit, index) => {
      const url = thumbs[index];
      const picture = url === undefined ? null : html("img", { src: url, alt: "" });
      const attributes = { type: "button", role: "tab", class: "fvh-unit", id: uniqueId(), "aria-controls": this.panel.id };
      return html("button", attributes, picture, html("span", {}, unit));
    });
  }

  private drawCard({ facts, urls }: Loaded): void {
    const stage = html("div", { class: "fvh-stage" });
    const plot = html("div");
    const natural = html("p", { class: "fvh-phrase" }, facts.natural);
    const phrase = html("p", { class: "fvh-phrase", "aria-live": "polite" });
    const [seedRow, markSeed] = this.drawSeeds(urls.pictures, facts.pixelated);
    this.showSeed = (): void => {
      const seed = Math.max(0, this.model.get("seeds").indexOf(this.model.get("seed")));
      const alt = `What ${facts.id} looks for, seed ${this.model.get("seeds")[seed]}`;
      const [url, mask] = [urls.pictures[seed] ?? "", urls.masks[seed] ?? null];
      stage.replaceChildren(drawPicture({ url, mask, alt, pixelated: facts.pixelated }));
      plot.replaceChildren(...(facts.histogram === null ? [] : [drawHistogram(facts.histogram, seed)]));
      phrase.textContent = facts.phrases[seed] ?? "";
      markSeed(seed);
    };
    this.showSeed();
    const toggle = urls.masks.length > 0 ? this.drawToggle() : null;
    const left = html("div", { class: "fvh-left" }, stage, drawBadges(facts.badges), seedRow, toggle);
    const right = html("div", { class: "fvh-right" }, ...section("Natural activations", plot, natural, phrase), ...auditOf(facts));
    const head = html("header", {}, html("h3", {}, facts.id), html("p", { class: "fvh-subtitle" }, facts.subtitle));
    this.panel.replaceChildren(head, html("div", { class: "fvh-body" }, left, right), ...topsOf(facts, urls.tops), ...notesOf(facts));
  }

  private drawSeeds(urls: string[], pixelated: boolean): [HTMLElement, (index: number) => void] {
    const seeds = this.model.get("seeds");
    const buttons = seeds.map((seed, index) => {
      const image = html("img", { src: urls[index] ?? "", alt: "", class: pixelated ? "fvh-pixelated" : null });
      return html("button", { type: "button", role: "radio", class: "fvh-seed", "aria-label": `Seed ${seed}` }, image);
    });
    const choose = roving(buttons, "aria-checked", (index) => this.choose("seed", seeds[index] ?? 0));
    const row = html("div", { class: "fvh-seeds", role: "radiogroup", "aria-label": "Seeds" }, ...buttons);
    row.hidden = seeds.length < 2;
    return [row, choose];
  }

  private drawToggle(): HTMLElement {
    const box = html("input", { type: "checkbox" });
    box.checked = this.model.get("faded");
    box.addEventListener("change", () => {
      this.model.set("faded", box.checked);
      this.model.save_changes();
    });
    return html("label", { class: "fvh-toggle" }, box, "Fade what did not matter");
  }
}

function section(title: string, ...content: HTMLElement[]): HTMLElement[] {
  return [html("h4", {}, title), ...content];
}

const auditOf = (facts: Facts): HTMLElement[] => (facts.checks.length > 0 ? section("Audit", drawAudit(facts.checks)) : []);

const topsOf = (facts: Facts, urls: string[]): HTMLElement[] =>
  facts.tops.length > 0 ? section("Real images that activate it most", drawTops(facts.tops, urls)) : [];

const notesOf = (facts: Facts): HTMLElement[] => facts.notes.map((note) => html("p", { class: "fvh-note" }, note));

function render({ model, el }: RenderProps<State>): () => void {
  const view = new CardView(model, el);
  return () => view.destroy();
}

export default { render };
