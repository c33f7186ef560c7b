import { html } from "../dom";
import { drawCard } from "./card";
import { Choices, type Kept } from "./choices";
import { Chosen } from "./chosen";
import type { Items } from "./items";
import { cellAfter, rectangle, spoken } from "./keyboard";
import { Legend } from "./legend";
import type { Frame } from "./over";
import type { Point } from "./lasso";
import { said } from "./scales";
import { Search } from "./search";
import { Spots, spotOf } from "./spot";
import { type Seen, Stage } from "./stage";
import { ItemTable, byScore } from "./table";
import type { TileStore } from "./tiles";
import { type Bar, toolbar } from "./toolbar";

const HELP = "Arrow keys walk from cell to cell, with Shift they select a rectangle. Enter pins, S selects, + and − zoom, Home shows all.";
const IDLE = "Hover a picture to see what it is; click it to pin it. The wheel zooms where Ctrl is held or the map has the focus.";

/** One view of a map. */
export class MapView {
  readonly element = html("div", { class: "fvh-map-view" });
  private readonly stage: Stage;
  private readonly search: Search;
  private readonly legend: Legend;
  private readonly chosen: Chosen;
  private readonly table: ItemTable;
  private readonly bar: Bar;
  private readonly spots: Spots;
  private readonly panel = html("aside", { class: "fvh-panel", "aria-label": "What is looked at" });
  private readonly compare = html("div", { class: "fvh-compare", role: "region", "aria-label": "Pinned items" });
  private readonly spoken = html("p", { class: "fvh-hidden", role: "status", "aria-live": "polite" });
  private readonly choices: Choices;
  private hovered: Seen | null = null;
  private focused: number | null = null;
  private anchor: number | null = null; // where a rectangle begins
  private told: Seen | null = null;
  private frameAsked = 0;
  private moreAsked = false;
  private readonly dark = window.matchMedia?.("(prefers-color-scheme: dark)");

  constructor(
    private readonly items: Items,
    private readonly store: TileStore | null,
    private readonly kept: Kept,
  ) {
    this.choices = new Choices(items, kept);
    this.stage = new Stage(items, store, (line, add) => this.enclose(line, add));
    this.spots = new Spots(this.stage, (spot) => kept.look(spot));
    this.search = new Search(items);
    this.stage.scene.hits = this.search.flags;
    this.legend = new Legend(items.facts);
    this.chosen = new Chosen(items, () => kept.select([]), (item) => this.go(item));
    this.table = new ItemTable(items, "Items by score", (item) => this.go(item));
    this.bar = toolbar(items.facts, {
      search: (words) => this.find(words),
      hit: (step) => this.hit(step),
      form: (grid) => this.stage.form(grid),
      overlay: (name) => this.overlay(name),
      level: (level) => this.set({ level }),
      edges: (edges) => this.set({ edges }),
      sized: (sized) => this.set({ sized }),
      lasso: (on) => this.wantLasso(on),
      zoom: (factor) => this.stage.camera.zoom(factor),
      home: () => this.stage.home(),
      link: kept.link && (() => kept.link!(spotOf(this.stage))),
    });
    const twin = html("details", { class: "fvh-twin" }, html("summary", {}, "Table of items, by score"), this.table.element);
    twin.addEventListener("toggle", () => twin.open && this.table.show(byScore(items)));
    const main = html("div", { class: "fvh-main" }, html("div", { class: "fvh-stage" }, this.stage.frame, this.legend.element), this.panel);
    this.panel.append(html("p", { class: "fvh-phrase" }, IDLE));
    this.stage.frame.setAttribute("aria-label", `${items.facts.title}. ${HELP}`);
    this.element.append(this.bar.element, main, this.compare, this.chosen.element, twin, this.spoken);
    this.legend.count(items);
    this.listen();
  }

  /** Begin once the view stands in the page. */
  start(): void {
    this.spots.silently(() => this.stage.home());
    this.place();
    this.stage.repaint();
    this.selected();
    this.pinned();
  }

  release(): void {
    cancelAnimationFrame(this.frameAsked);
    this.dark?.removeEventListener("change", this.recolour);
    this.stage.release();
    this.spots.release();
  }

  /** A tile came: paint it, also where it is a picture beside the map. */
  arrived(): void {
    this.stage.repaint();
    if (this.panel.querySelector(".fvh-wordy") !== null) this.tell();
    if (this.compare.querySelector(".fvh-wordy") !== null) this.pinned();
  }

  /** Neighbours or histograms came. */
  learned(): void {
    this.stage.repaint();
    this.look();
    this.tell();
    this.pinned();
  }

  /** Follow what is selected. */
  selected(): void {
    const chosen = this.choices.selected;
    this.stage.scene.selected.fill(0);
    for (const item of chosen) this.stage.scene.selected[item] = 1;
    this.chosen.show(chosen);
    this.stage.marks();
    this.tell();
  }

  /** Follow where the map is said to be looked at from. */
  readonly place = (): void => this.spots.follow(this.kept.place(), this.bar, this.overlay);

  /** Follow what is pinned. */
  pinned(): void {
    const cards = this.choices.pinned.map((item) => this.card(this.alone(item)));
    const head = cards.length === 0 ? [] : [html("h4", {}, cards.length === 1 ? "Pinned: pin another to compare" : "Compared")];
    this.compare.replaceChildren(...head, html("div", { class: "fvh-pair" }, ...cards));
    this.compare.hidden = cards.length === 0;
    this.look();
    this.tell();
  }

  private listen(): void {
    const { glass, frame } = this.stage;
    glass.addEventListener("pointermove", this.onMove);
    glass.addEventListener("pointerleave", () => this.hover(null));
    glass.addEventListener("click", this.onClick);
    frame.addEventListener("keydown", this.onKey);
    frame.addEventListener("focus", () => this.look());
    frame.addEventListener("blur", () => this.look());
    this.dark?.addEventListener("change", this.recolour);
  }

  private readonly recolour = (): void => {
    this.stage.marks();
    this.stage.repaint();
  };

  private set(change: Partial<Stage["scene"]>): void {
    Object.assign(this.stage.scene, change);
    if (change.edges === true) this.need();
    this.note();
    this.stage.repaint();
  }

  private readonly overlay = (name: string): void => (this.stage.overlay(name), this.note());

  private note(): void {
    const { edges, overlay } = this.stage.scene;
    const words = edges ? "Lines lead to the nearest items in feature space; where more than 1,500 items are in sight none are drawn: zoom in." : "";
    this.legend.show(overlay, words);
  }

  /** Ask once for what large maps leave out at first. */
  private need(): void {
    if (this.moreAsked || this.items.hasNeighbours) return;
    this.moreAsked = true;
    this.kept.more();
  }

  private alone(item: number): Seen {
    return { item, level: 0, row: this.items.row[item]!, col: this.items.col[item]! };
  }

  private find(words: string): string {
    const count = this.search.find(words);
    this.stage.marks();
    return count;
  }

  private hit(step: 1 | -1): string {
    const item = this.search.step(step);
    if (item !== null) this.go(item);
    return this.search.place;
  }

  /** Bring an item to the middle and tell of it. */
  private readonly go = (item: number): void => (this.stage.go(item), this.focus(item));

  private focus(item: number): void {
    this.focused = item;
    this.told = this.alone(item);
    this.spoken.textContent = spoken(this.items, item, said(this.items.score[item] ?? NaN));
    this.look();
    this.tell();
  }

  private hover(seen: Seen | null): void {
    if (seen?.item === this.hovered?.item && seen?.level === this.hovered?.level && seen?.row === this.hovered?.row) return;
    this.hovered = seen;
    if (seen !== null) this.told = seen;
    this.look();
    if (seen !== null) this.tell();
  }

  /** Frames around what is hovered, focused and pinned, and lines to what is nearest to it. */
  private look(): void {
    const frames: Frame[] = this.choices.pinned.map((item) => this.stage.around(this.alone(item), "pinned"));
    if (this.focused !== null) frames.push(this.stage.around(this.alone(this.focused), "focus"));
    if (this.hovered !== null) frames.push(this.stage.around(this.hovered, "hover"));
    const seen = this.hovered ?? (this.focused === null ? null : this.alone(this.focused));
    const { x, y } = this.stage.scene;
    const from = seen === null ? null : this.stage.around(seen, "hover");
    const near = seen === null ? [] : this.items.neighbours(seen.item);
    this.stage.over.show(frames, from === null ? [] : near.map((other) => [[from.x, from.y], [x[other]!, y[other]!]]));
  }

  private tell(): void {
    if (this.told !== null) this.panel.replaceChildren(this.card(this.told));
  }

  private card({ item, level, row, col }: Seen): HTMLElement {
    this.need();
    const stands = level === 0 ? 1 : this.items.standsFor(level, row, col);
    const pinned = this.choices.pinned.includes(item);
    const selected = this.stage.scene.selected[item] === 1;
    return drawCard(this.items, this.store, item, stands, { pinned, selected, pin: () => this.choices.pin(item), select: () => this.choices.toggle(item), go: (other) => this.go(other) });
  }

  private enclose(line: Point[], add: boolean): void {
    this.choices.choose(this.stage.enclosed(line), add);
    this.wantLasso(false);
  }

  private wantLasso(on: boolean): void {
    this.stage.lasso.wanted = on;
    this.bar.lasso(on);
    this.stage.frame.classList.toggle("fvh-drawing", on);
  }

  private seenAt(event: MouseEvent): Seen | null {
    const box = this.stage.frame.getBoundingClientRect();
    return this.stage.at(event.clientX - box.left - this.stage.frame.clientLeft, event.clientY - box.top - this.stage.frame.clientTop);
  }

  private readonly onMove = (event: PointerEvent): void => {
    if (this.stage.camera.dragging || this.stage.lasso.drawing) return;
    cancelAnimationFrame(this.frameAsked);
    this.frameAsked = requestAnimationFrame(() => {
      const seen = this.seenAt(event);
      this.stage.glass.style.cursor = seen === null ? "" : "pointer";
      this.hover(seen);
    });
  };

  private readonly onClick = (event: MouseEvent): void => {
    this.stage.frame.focus({ preventScroll: true });
    if (this.stage.camera.dragging || this.stage.lasso.drawing) return;
    const seen = this.seenAt(event);
    if (seen === null) return;
    if (event.shiftKey || event.ctrlKey || event.metaKey) this.choices.toggle(seen.item);
    else this.choices.pin(seen.item);
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.stage.frame) return;
    const item = this.focused;
    if (event.key.startsWith("Arrow")) this.walk(event.key, event.shiftKey);
    else if (event.key === "Enter" && item !== null) this.choices.pin(item);
    else if ((event.key === "s" || event.key === "S" || event.key === " ") && item !== null) this.choices.toggle(item);
    else if (event.key === "+" || event.key === "=") this.stage.camera.zoom(1.4);
    else if (event.key === "-") this.stage.camera.zoom(1 / 1.4);
    else if (event.key === "Home" || event.key === "0") this.stage.home();
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has its own use for these keys
  };

  private walk(key: string, selecting: boolean): void {
    const from = this.focused;
    const to = from === null ? this.stage.middle() : cellAfter(key, this.items, from);
    if (to === null) return;
    this.anchor = selecting ? (this.anchor ?? from ?? to) : null;
    this.stage.reveal(to);
    this.focus(to);
    if (this.anchor !== null) this.choices.choose(rectangle(this.items, this.anchor, to), false);
  }

  private leave(): void {
    [this.focused, this.anchor, this.hovered] = [null, null, null];
    this.wantLasso(false);
    this.choices.unpin();
    this.look();
  }
}
