import type { AnyModel, RenderProps } from "@anywidget/types";

import { Pictures } from "./parts/blobs";
import { Answers, picturedFirst } from "./parts/browser/answers";
import { Columns, ordered } from "./parts/browser/columns";
import { BEST, type BrowserFacts, type BrowserState, keyOf, type Message, placeOf, SELECTIVITY, worded } from "./parts/browser/facts";
import { Grid } from "./parts/browser/grid";
import { Opened } from "./parts/browser/opened";
import { Thumbs } from "./parts/browser/thumbs";
import { Card, type Loaded, loadedOf } from "./parts/card";
import { act, searchBox } from "./parts/controls";
import { html, uniqueId } from "./parts/dom";
import { Selection } from "./parts/graph/selection";
import { roving } from "./parts/roving";
import { mountStatic } from "./parts/static";

type Model = AnyModel<BrowserState>;

const LISTED = ["layer", "statistic", "label", "descending", "query", "page"] as const;

/** One view of a store: layers, the units of one, the card of one of these, and what is selected. */
class BrowserView {
  private readonly facts: BrowserFacts;
  private readonly pictures = new Pictures();
  private readonly loaded = new Map<string, Loaded>();
  private readonly columns: Columns;
  private readonly thumbs: Thumbs;
  private readonly grid: Grid;
  private readonly answers = new Answers(() => (this.list(), this.open(false)));
  private readonly opened = new Opened((units) => this.add(units));
  private readonly selection = new Selection({ set: (units) => this.set({ selected: units }), ablate: () => undefined });
  private readonly panel = html("div", { class: "fvh-units-of", role: "tabpanel", id: uniqueId() });
  private readonly card = html("article", { class: "fvh-card", "aria-label": "Card of the unit that is open" });
  private readonly acts = html("div", { class: "fvh-acts" });
  private readonly statistic = html("select");
  private readonly label = html("select");
  private readonly forLabel: HTMLElement;
  private readonly order: HTMLButtonElement;
  private readonly search: HTMLElement;
  private readonly tabs: HTMLElement[];
  private readonly markTab: (index: number) => void;
  private readonly off: (() => void)[] = [];
  private shown: Card | null = null;

  constructor(private readonly model: Model, el: HTMLElement) {
    const packed = model.get("blobs");
    this.facts = model.get("browser");
    const asks = this.facts.kernel;
    this.columns = new Columns(this.facts.columns, packed, asks ? (layer, key) => model.send({ type: "column", layer, key }) : null);
    this.thumbs = new Thumbs(this.pictures, asks ? (units) => model.send({ type: "thumbs", units }) : null);
    this.thumbs.keep(model.get("thumbs"), packed);
    for (const [unit, content] of Object.entries(model.get("loaded"))) this.loaded.set(unit, loadedOf(this.pictures, content, packed));
    this.grid = new Grid({
      open: (unit) => this.set({ unit }),
      toggle: (unit) => this.toggle(unit),
      turn: (page) => this.set({ page }),
      picture: (unit) => this.thumbs.of(unit),
    });
    this.tabs = this.drawTabs();
    this.markTab = roving(this.tabs, "aria-selected", (index) => this.set({ page: 0, layer: this.facts.layers[index]?.[0] ?? "" }));
    this.order = act("", () => this.set({ page: 0, descending: !model.get("descending") }));
    this.search = searchBox("Find a unit", (query) => (this.set({ page: 0, query }), ""), () => undefined);
    this.forLabel = html("label", { class: "fvh-pick" }, html("span", {}, "Label"), this.label);
    this.draw(el);
    this.listen();
    this.list();
    this.open();
    this.onSelected();
  }

  destroy(): void {
    this.answers.release();
    for (const stop of this.off) stop();
    this.opened.release();
    this.pictures.release();
  }

  private draw(el: HTMLElement): void {
    const { title, notes, layers, statistics, labels } = this.facts;
    const option = (value: string | number, words: string): HTMLElement => html("option", { value }, words);
    this.statistic.append(...statistics.map((one) => option(one, one)));
    this.label.append(option(-1, "its best label"), ...labels.map(([value, name]) => option(value, name)));
    this.statistic.addEventListener("change", () => this.set({ page: 0, statistic: this.statistic.value }));
    this.label.addEventListener("change", () => this.set({ page: 0, label: Number(this.label.value) }));
    const sort = html("label", { class: "fvh-pick" }, html("span", {}, "Sort by"), this.statistic);
    const bar = html("div", { class: "fvh-toolbar", role: "group", "aria-label": "Sorting" }, sort, this.forLabel, this.order, this.search);
    const head = html("header", {}, html("h3", {}, title), ...notes.map((note) => html("p", { class: "fvh-note" }, note)));
    const list = html("div", { class: "fvh-layers", role: "tablist", "aria-label": "Layers" }, ...this.tabs);
    list.hidden = layers.length < 2;
    this.panel.append(this.grid.tiles, this.grid.pager);
    el.append(html("section", { class: "fvhooks fvh-browser", "aria-label": title }, head, list, bar, this.panel, this.selection.element, this.card, this.opened.element));
  }

  private drawTabs(): HTMLElement[] {
    return this.facts.layers.map(([name, units, dead]) => {
      const silent = dead === 0 ? "" : `, ${dead.toLocaleString("en")} never fire`;
      const about = html("small", {}, `${units.toLocaleString("en")} units${silent}`);
      return html("button", { type: "button", role: "tab", class: "fvh-layer", id: uniqueId(), "aria-controls": this.panel.id }, html("span", {}, name), about);
    });
  }

  private listen(): void {
    const on = (name: string, listener: (...args: never[]) => void): void => {
      this.model.on(name as never, listener as never);
      this.off.push(() => this.model.off(name as never, listener as never));
    };
    for (const name of LISTED) on(`change:${name}`, () => this.list());
    on("change:unit", () => this.open());
    on("change:selected", () => this.onSelected());
    on("change:seed", () => this.shown?.showSeed());
    on("change:faded", () => this.shown?.showFaded());
    on("msg:custom", this.onMessage);
  }

  private set(changes: Partial<BrowserState>): void {
    for (const [name, value] of Object.entries(changes)) this.model.set(name as keyof BrowserState, value as never);
    this.model.save_changes();
  }

  private toggle(unit: string): void {
    const selected = this.model.get("selected");
    this.set({ selected: selected.includes(unit) ? selected.filter((one) => one !== unit) : [...selected, unit] });
  }

  /** Select what was selected in a map or a circuit, as far as it is of this store. */
  private add(units: string[]): void {
    const selected = this.model.get("selected");
    const fresh = units.filter((unit) => this.isKnown(unit) && !selected.includes(unit));
    if (fresh.length > 0) this.set({ selected: [...selected, ...fresh] });
  }

  private isKnown(unit: string): boolean {
    const place = placeOf(unit);
    const layer = this.facts.layers.find(([name]) => name === place?.[0]);
    return place !== null && layer !== undefined && place[1] < layer[1];
  }

  /** The units of the layer, sorted, as far as they match what is searched for. */
  private list(): void {
    const { model } = this;
    const [layer, statistic, label] = [model.get("layer"), model.get("statistic"), model.get("label")];
    this.control(layer, statistic, label);
    const values = this.columns.of(layer, keyOf(statistic, label));
    if (values === null) {
      if (this.answers.missing) return this.listWithout(layer, statistic);
      this.grid.wait(this.facts.kernel ? `Python is asked for “${statistic}” of ${layer} …` : `This page does not hold “${statistic}” of ${layer}.`);
      if (this.facts.kernel) this.answers.expect();
      return;
    }
    const best = statistic === SELECTIVITY || model.get("query") !== "" ? this.best(layer) : null;
    const named = (channel: number): string => (statistic === SELECTIVITY && label < 0 ? (best?.(channel) ?? "") : "");
    const matches = this.matching(layer, model.get("query"), best);
    const order = ordered(values, model.get("descending")).filter(matches);
    this.grid.draw(`Units of ${layer}`, order, model.get("page"), (channel) => ({
      unit: `${layer}:${channel}`,
      value: worded(values[channel] ?? NaN, statistic),
      label: Number.isNaN(values[channel]) ? "" : named(channel),
    }));
    this.mark();
    this.thumbs.want(this.grid.shown);
  }

  /** The units of a layer while Python does not send what they are sorted by. */
  private listWithout(layer: string, statistic: string): void {
    const count = this.facts.layers.find(([name]) => name === layer)?.[1] ?? 0;
    const order = picturedFirst(count, (channel) => this.thumbs.of(`${layer}:${channel}`) !== null);
    const matches = this.matching(layer, this.model.get("query"), this.best(layer));
    const note = `Python has not sent “${statistic}”: those with a picture come first.`;
    this.grid.draw(`Units of ${layer}`, order.filter(matches), this.model.get("page"), (channel) => ({ unit: `${layer}:${channel}`, value: "", label: "" }), note);
    this.mark();
  }

  private control(layer: string, statistic: string, label: number): void {
    const descending = this.model.get("descending");
    this.statistic.value = statistic;
    this.label.value = String(label);
    this.forLabel.hidden = statistic !== SELECTIVITY || this.facts.labels.length === 0;
    this.order.textContent = descending ? "Highest first ↓" : "Lowest first ↑";
    const box = this.search.querySelector("input");
    if (box !== null && box.value !== this.model.get("query")) box.value = this.model.get("query");
    const index = this.facts.layers.findIndex(([name]) => name === layer);
    this.markTab(index);
    const tab = this.tabs[index];
    if (tab !== undefined) this.panel.setAttribute("aria-labelledby", tab.id);
  }

  /** The label that moves a unit most, in words; null until it is known. */
  private best(layer: string): ((channel: number) => string) | null {
    if (this.facts.labels.length === 0) return null;
    const column = this.columns.of(layer, BEST);
    const names = new Map(this.facts.labels);
    return column === null ? null : (channel) => names.get(column[channel] ?? -1) ?? "";
  }

  private matching(layer: string, query: string, best: ((channel: number) => string) | null): (channel: number) => boolean {
    const words = query.trim().toLowerCase();
    if (words === "") return () => true;
    return (channel) => `${layer}:${channel}`.toLowerCase().includes(words) || (best?.(channel).toLowerCase().includes(words) ?? false);
  }

  private mark(): void {
    this.grid.mark(this.model.get("unit"), new Set(this.model.get("selected")));
  }

  private readonly onSelected = (): void => {
    this.selection.draw(this.model.get("selected"), false);
    this.mark();
    this.drawActs();
  };

  /** The card of the unit that is looked at; Python is asked for one that is not here. */
  private open(ask = true): void {
    const unit = this.model.get("unit");
    const content = this.loaded.get(unit);
    this.shown = null;
    this.mark();
    if (content !== undefined) {
      this.shown = new Card(content, {
        seeds: () => this.model.get("seeds"),
        seed: () => this.model.get("seed"),
        faded: () => this.model.get("faded"),
        choose: (seed) => this.set({ seed }),
        fade: (faded) => this.set({ faded }),
      });
      this.card.replaceChildren(this.acts, ...this.shown.parts);
      this.drawActs();
      return;
    }
    this.card.replaceChildren(this.acts, html("p", { class: "fvh-note", role: "status" }, this.lacking(unit)), this.others());
    this.drawActs();
    if (!this.isKnown(unit) || !this.facts.kernel) return;
    if (ask) this.model.send({ type: "content", unit });
    this.answers.expect();
  }

  /** Why there is no card. */
  private lacking(unit: string): string {
    if (!this.isKnown(unit)) return `This store has no unit ${unit}.`;
    if (!this.facts.kernel) return `This page does not hold the card of ${unit}.`;
    return this.answers.missing ? `Python has not sent the card of ${unit}.` : `Python is asked for the card of ${unit} …`;
  }

  /** The cards that are here, while Python does not answer. */
  private others(): HTMLElement {
    const units = this.answers.missing ? [...this.loaded.keys()] : [];
    const row = html("div", { class: "fvh-here" }, "Cards that are here:", ...units.map((unit) => act(unit, () => this.set({ unit }))));
    row.hidden = units.length === 0;
    return row;
  }

  private drawActs(): void {
    const unit = this.model.get("unit");
    const chosen = this.model.get("selected").includes(unit);
    const select = act(chosen ? "Take out of selection" : "Select", () => this.toggle(unit));
    select.setAttribute("aria-pressed", String(chosen));
    const within = this.acts.contains(document.activeElement);
    const more = [act("Map of its images", () => this.ask("atlas", unit)), act("Circuit of its class", () => this.ask("circuit", unit))];
    this.acts.hidden = !this.isKnown(unit);
    this.acts.replaceChildren(select, ...(this.facts.kernel ? more : []));
    if (within) select.focus({ preventScroll: true });
  }

  private ask(what: "atlas" | "circuit", unit: string): void {
    this.opened.say(what === "atlas" ? `Python lays out the images around ${unit} …` : `Python looks for the circuit that ${unit} is part of …`);
    this.model.send({ type: "open", what, unit });
  }

  private readonly onMessage = (message: Message, [buffer]: DataView[]): void => {
    this.answers.came();
    if (message.type === "error") this.opened.say(message.text, true);
    else if (buffer === undefined) return;
    else if (message.type === "column") {
      this.columns.keep(message, buffer);
      if (message.layer === this.model.get("layer")) this.list();
    } else if (message.type === "thumbs") {
      for (const [unit, url] of this.thumbs.keep(message.spans, buffer)) this.grid.pictured(unit, url);
    } else if (message.type === "content") {
      if (!this.loaded.has(message.unit)) this.loaded.set(message.unit, loadedOf(this.pictures, message.content, buffer)); // each view of a model gets the answer
      if (message.unit === this.model.get("unit")) this.open();
    } else if (message.type === "opened") this.opened.show(message.title, new TextDecoder().decode(buffer));
  };
}

function render({ model, el }: RenderProps<BrowserState>): () => void {
  const view = new BrowserView(model, el);
  return () => view.destroy();
}

function mount(): void {
  mountStatic<BrowserState>((model, root) => new BrowserView(model as unknown as Model, root));
}

export default { render, mount };
