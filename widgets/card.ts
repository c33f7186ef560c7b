import type { AnyModel, RenderProps } from "@anywidget/types";

import { Pictures } from "./parts/blobs";
import { Card, type CardChoices, type Loaded, loadedOf } from "./parts/card";
import { html, uniqueId } from "./parts/dom";
import { roving } from "./parts/roving";
import type { Span, UnitContent } from "./parts/types";

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

type Message = { type: "content"; unit: string; content: UnitContent } | { type: "error"; text: string };
type Model = AnyModel<State>;

/** One view of the cards: a row of units, and the card of the chosen one. */
class CardView {
  private readonly pictures = new Pictures();
  private readonly loaded = new Map<string, Loaded>();
  private readonly panel = html("article", { class: "fvh-card", role: "tabpanel", id: uniqueId() });
  private readonly markUnit: (index: number) => void;
  private readonly tabs: HTMLElement[];
  private card: Card | null = null;

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
      this.card = new Card(content, this.choices());
      this.panel.replaceChildren(...this.card.parts);
      return;
    }
    this.card = null;
    this.panel.replaceChildren(html("p", { class: "fvh-note", role: "status" }, `Waiting for Python to send ${unit} …`));
    this.model.send({ type: "content", unit });
  };

  private readonly onSeed = (): void => this.card?.showSeed();

  private readonly onFaded = (): void => this.card?.showFaded();

  private readonly onMessage = (message: Message, [buffer]: DataView[]): void => {
    if (message.type === "error") {
      this.panel.replaceChildren(html("p", { class: "fvh-note", role: "alert" }, message.text));
    } else if (buffer !== undefined) {
      if (!this.loaded.has(message.unit)) this.keep(message.unit, message.content, buffer); // each view of a model gets the answer
      if (message.unit === this.model.get("unit")) this.onUnit();
    }
  };

  private keep(unit: string, content: UnitContent, packed: DataView): void {
    this.loaded.set(unit, loadedOf(this.pictures, content, packed));
  }

  private choices(): CardChoices {
    const { model } = this;
    return {
      seeds: () => model.get("seeds"),
      seed: () => model.get("seed"),
      faded: () => model.get("faded"),
      choose: (seed) => this.choose("seed", seed),
      fade: (faded) => this.choose("faded", faded),
    };
  }

  private choose<K extends "unit" | "seed" | "faded">(trait: K, value: State[K]): void {
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
}

function render({ model, el }: RenderProps<State>): () => void {
  const view = new CardView(model, el);
  return () => view.destroy();
}

export default { render };
