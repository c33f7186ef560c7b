import type { AnyModel, RenderProps } from "@anywidget/types";

import { Pictures, slice } from "./parts/blobs";
import { html } from "./parts/dom";
import { Camera } from "./parts/camera";
import { Classes, type ClassFacts } from "./parts/graph/classdata";
import { ClassView } from "./parts/graph/classview";
import { act, found, searchBox, slider } from "./parts/controls";
import { type DetailContent, Graph, type GraphFacts } from "./parts/graph/data";
import { Details, drawDetail, drawEdge } from "./parts/graph/details";
import { type Limits, OPEN, shownOf } from "./parts/graph/filters";
import { nodeAfter } from "./parts/graph/keyboard";
import { nearestEdge, nodeAt } from "./parts/graph/nearest";
import { type Lit, Scene } from "./parts/graph/scene";
import { Selection } from "./parts/graph/selection";
import { StaticModel } from "./parts/static";
import { GraphTable } from "./parts/graph/table";

interface State {
  selected: string[];
  pinned: string;
  selected_class: string;
  can_ablate: boolean;
  graph: GraphFacts;
  classes: ClassFacts | null;
  loaded: Record<string, DetailContent>;
  blobs: DataView;
}

type Message =
  | { type: "detail"; unit: string; content: DetailContent }
  | { type: "ablated"; units: string[]; text: string; error: string }
  | { type: "error"; text: string };
type Model = AnyModel<State>;
type Seen = { node: number } | { edge: number } | null;

const RANGE = { least: 0.1, most: 3.5 };
const GUTTER = 96; // pixels on the left that the layers' names take
const REACH = 5; // pixels around an edge where it is hovered

/** One view of a graph. */
class GraphView {
  private readonly pictures = new Pictures();
  private readonly graph: Graph;
  private readonly scene: Scene;
  private readonly camera: Camera;
  private readonly details: Details;
  private readonly selection: Selection;
  private readonly table: GraphTable;
  private readonly classes: ClassView | null;
  private readonly frame = html("div", { class: "fvh-window" });
  // One pane over the drawing takes all pointers: thousands of elements that could would cost a pan step 100 ms.
  private readonly glass = html("div", { class: "fvh-glass" });
  private readonly panel = html("aside", { class: "fvh-panel", "aria-label": "What is looked at" });
  private readonly counts = html("p", { class: "fvh-subtitle", role: "status" });
  private readonly off: (() => void)[] = [];
  private limits: Limits = { ...OPEN };
  private spacing = { across: 24, down: 200 };
  private shown: { nodes: Uint8Array; edges: number[] };
  private edges = new Set<number>();
  private hovered: Seen = null;
  private focused: number | null = null;
  private told: Seen = null; // what the panel tells of
  private hits: number[] = [];
  private hit = -1;
  private frameAsked = 0;

  constructor(private readonly model: Model, el: HTMLElement) {
    const packed = model.get("blobs");
    this.graph = new Graph(model.get("graph"), packed);
    const { atlas } = this.graph.facts;
    this.scene = new Scene(this.graph, this.frame, atlas === null ? null : this.pictures.url(slice(packed, atlas.span)));
    if (atlas !== null) this.frame.style.setProperty("--fvh-atlas", `url("${this.pictures.url(slice(packed, atlas.span))}")`);
    this.camera = new Camera(this.glass, this.frame, RANGE, (view) => this.scene.look(view));
    this.details = new Details(this.pictures, (unit) => model.send({ type: "detail", unit }));
    for (const [unit, content] of Object.entries(model.get("loaded"))) this.details.keep(unit, content, packed);
    this.selection = new Selection({ set: (units) => this.save("selected", units), ablate: (units) => model.send({ type: "ablate", units }) });
    this.shown = shownOf(this.graph, this.limits);
    this.table = new GraphTable(this.graph, () => this.shown);
    const facts = model.get("classes");
    this.classes = facts === null ? null : new ClassView(new Classes(facts, packed), (name) => this.save("selected_class", name));
    this.draw(el);
    this.listen();
    this.redraw();
    this.reset();
    this.classes?.start(model.get("selected_class"));
    this.onSelected();
    this.onPinned();
  }

  destroy(): void {
    for (const stop of this.off) stop();
    cancelAnimationFrame(this.frameAsked);
    this.scene.release();
    this.pictures.release();
  }

  private draw(el: HTMLElement): void {
    const { facts } = this.graph;
    this.frame.append(this.scene.canvas.element, this.scene.world, this.scene.labels, this.scene.nodes, this.glass);
    if (this.graph.count === 0) this.frame.append(html("p", { class: "fvh-empty" }, "This graph has no units: nothing was kept."));
    const told = facts.facts.map(([name, value]) => html("li", {}, html("span", {}, `${name} `), value));
    const head = html("header", {}, html("h3", {}, facts.title), html("ul", { class: "fvh-told" }, ...told), ...facts.notes.map((note) => html("p", { class: "fvh-note" }, note)));
    const main = html("div", { class: "fvh-main" }, this.classes?.element ?? null, html("div", { class: "fvh-stage" }, this.frame, this.legend()), this.panel);
    const look = this.classes === null ? "fvhooks fvh-graph" : "fvhooks fvh-graph fvh-with-classes";
    const root = html("section", { class: look, "aria-label": facts.title }, head, this.toolbar(), main, this.selection.element, this.counts, this.table.element);
    this.panel.append(html("p", { class: "fvh-phrase" }, "Hover a unit or an edge to see what it is about; click a unit to pin it."));
    el.append(root);
    // in a notebook the cell has no size yet when the view is made
    if (typeof ResizeObserver === "function") {
      const sized = new ResizeObserver(() => {
        if (this.frame.clientWidth === 0) return;
        sized.disconnect();
        this.reset();
        this.classes?.start(this.model.get("selected_class"));
      });
      if (this.frame.clientWidth === 0) sized.observe(this.frame);
      this.off.push(() => sized.disconnect());
    }
  }

  private toolbar(): HTMLElement {
    const { highest, stability } = this.graph;
    const percent = (value: number): string => (value === 0 ? "all" : `≥ ${Math.round(100 * value)} %`);
    const score = { min: 0, max: highest, step: highest / 100, value: 0 };
    const above = (value: number): string => (value === 0 ? "all" : `> ${Number(value.toPrecision(3))}`);
    const share = { min: 0, max: 1, step: 0.01, value: 0 };
    const limit = (change: Partial<Limits>): void => {
      this.limits = { ...this.limits, ...change };
      this.redraw();
    };
    const space = (change: Partial<typeof this.spacing>): void => {
      this.spacing = { ...this.spacing, ...change };
      this.redraw();
    };
    const px = (value: number): string => `${value} px`;
    return html(
      "div",
      { class: "fvh-toolbar", role: "group", "aria-label": "Filters" },
      searchBox("Find a unit", (words) => this.search(words), () => this.nextHit()),
      slider("Score", score, above, (value) => limit({ score: value === 0 ? null : value })),
      slider("Edge weight", share, percent, (value) => limit({ weight: value })),
      stability === null ? null : slider("Edge stability", share, percent, (value) => limit({ stability: value })),
      slider("Across", { min: 0, max: 300, step: 2, value: this.spacing.across }, px, (across) => space({ across })),
      slider("Down", { min: 175, max: 400, step: 5, value: this.spacing.down }, px, (down) => space({ down })),
      html("div", { class: "fvh-acts" }, act("+", () => this.camera.zoom(1.3), "Zoom in"), act("−", () => this.camera.zoom(1 / 1.3), "Zoom out"), act("Reset", () => this.reset(), "Show the whole graph")),
    );
  }

  private legend(): HTMLElement {
    const { sides } = this.graph.facts;
    const signs: [string, string][] = sides === null ? [["fvh-positive", "speaks for"], ["fvh-negative", "speaks against"]] : [["fvh-first", sides[0]], ["fvh-both", "both"], ["fvh-second", sides[1]]];
    const items = signs.map(([look, words]) => html("li", { class: look }, words));
    const more = sides === null ? [] : [html("li", { class: "fvh-dashes" }, "dashed: speaks against")];
    const size = html("li", {}, "size: score · width: weight" + (this.graph.stability === null ? "" : " · opacity: stability"));
    return html("ul", { class: "fvh-legend" }, ...items, ...more, size);
  }

  private listen(): void {
    const on = (name: string, listener: (...args: never[]) => void): void => {
      this.model.on(name as never, listener as never);
      this.off.push(() => this.model.off(name as never, listener as never));
    };
    on("change:selected", this.onSelected);
    on("change:pinned", this.onPinned);
    on("change:can_ablate", this.onSelected);
    on("change:selected_class", () => this.classes?.show(this.model.get("selected_class")));
    on("msg:custom", this.onMessage);
    this.glass.addEventListener("pointermove", this.onMove);
    this.glass.addEventListener("pointerleave", () => this.hover(null));
    this.frame.addEventListener("click", this.onClick);
    this.frame.addEventListener("keydown", this.onKey);
    this.frame.addEventListener("focusin", (event) => this.focus(nodeOf(event.target)));
    this.frame.addEventListener("focusout", () => this.focus(null));
    this.frame.addEventListener("scroll", () => this.frame.scrollTo(0, 0)); // a browser scrolls to what gets the focus; the view pans
  }

  private save<K extends keyof State>(trait: K, value: State[K]): void {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  private redraw(): void {
    this.shown = shownOf(this.graph, this.limits);
    this.edges = new Set(this.shown.edges);
    this.scene.draw(this.shown.nodes, this.shown.edges, this.spacing);
    this.scene.look(this.camera.view);
    const nodes = this.shown.nodes.reduce((sum, one) => sum + one, 0);
    this.counts.textContent = `${nodes} of ${this.graph.count} units and ${this.shown.edges.length} of ${this.graph.edgeCount} edges shown`;
    this.table.draw();
    this.markStop();
    this.look();
  }

  private reset(): void {
    this.camera.set(this.scene.fit(this.frame.clientWidth || 800, this.frame.clientHeight || 560, RANGE.least, GUTTER));
  }

  /** One node is the tab stop: the focused, else the pinned, else the first that is shown. */
  private markStop(node = this.focused ?? this.pinned()): void {
    const visible = (one: number | null): boolean => one !== null && this.shown.nodes[one] === 1;
    const stop = visible(node) ? node : this.scene.buttons.findIndex((_, one) => visible(one));
    this.scene.buttons.forEach((button, one) => (button.tabIndex = one === stop ? 0 : -1));
  }

  private pinned(): number | null {
    const node = this.graph.nodes.unit.indexOf(this.model.get("pinned"));
    return node < 0 ? null : node;
  }

  private hover(seen: Seen): void {
    if (JSON.stringify(seen) === JSON.stringify(this.hovered)) return;
    this.hovered = seen;
    this.look();
  }

  private focus(node: number | null): void {
    this.focused = node;
    if (node !== null) this.markStop(node);
    this.look();
  }

  /** Light what is hovered, else focused, else pinned, else found, and tell of it in the panel. */
  private look(): void {
    const pinned = this.pinned();
    const kept = this.focused ?? pinned;
    const seen = this.hovered ?? (kept === null || this.shown.nodes[kept] !== 1 ? null : { node: kept });
    this.scene.light(seen === null ? this.litHits() : "node" in seen ? this.litNode(seen.node) : this.litEdge(seen.edge));
    if (seen !== null) this.told = seen;
    this.tell();
  }

  private litNode(node: number): Lit {
    const edges = (this.graph.edgesOf[node] ?? []).filter((edge) => this.edges.has(edge));
    const nodes = new Map<number, number>([[node, 0]]);
    for (const edge of edges) {
      const other = this.graph.other(edge, node);
      if (!nodes.has(other)) nodes.set(other, (this.graph.weight[edge] ?? 0) < 0 ? -1 : 1);
    }
    return { nodes, edges };
  }

  private litEdge(edge: number): Lit {
    return { nodes: new Map([[this.graph.source[edge] ?? 0, 0], [this.graph.target[edge] ?? 0, 0]]), edges: [edge] };
  }

  private litHits(): Lit | null {
    const nodes = this.hits.filter((node) => this.shown.nodes[node] === 1);
    return nodes.length === 0 ? null : { nodes: new Map(nodes.map((node) => [node, 0])), edges: [] };
  }

  private tell(): void {
    const seen = this.told;
    if (seen === null) return;
    const detail = (node: number) => this.details.of(this.graph.nodes.unit[node] ?? "");
    if ("edge" in seen) {
      this.panel.replaceChildren(...drawEdge(this.graph, seen.edge, [detail(this.graph.source[seen.edge] ?? 0), detail(this.graph.target[seen.edge] ?? 0)]));
      return;
    }
    const unit = this.graph.nodes.unit[seen.node] ?? "";
    const [pinned, selected] = [this.model.get("pinned") === unit, this.model.get("selected").includes(unit)];
    const acts = { pinned, selected, pin: () => this.pin(unit), select: () => this.toggle(unit), go: (node: number) => this.go(node) };
    this.panel.replaceChildren(...drawDetail(this.graph, seen.node, detail(seen.node), this.edges, acts));
  }

  private pin(unit: string): void {
    this.save("pinned", this.model.get("pinned") === unit ? "" : unit);
  }

  private toggle(unit: string): void {
    const selected = this.model.get("selected");
    this.save("selected", selected.includes(unit) ? selected.filter((one) => one !== unit) : [...selected, unit]);
  }

  /** Bring a node into the window and give it the focus. */
  private go(node: number): void {
    if (this.shown.nodes[node] !== 1) return;
    this.reveal(node);
    this.scene.buttons[node]?.focus({ preventScroll: true });
  }

  private reveal(node: number): void {
    const { x, y, k } = this.camera.view;
    const [px, py] = [(this.scene.places.x[node] ?? 0) * k + x, (this.scene.places.y[node] ?? 0) * k + y];
    const room = 60;
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const dx = px < GUTTER + room ? GUTTER + room - px : px > width - room ? width - room - px : 0;
    const dy = py < room ? room - py : py > height - room ? height - room - py : 0;
    if (dx !== 0 || dy !== 0) this.camera.set({ k, x: x + dx, y: y + dy });
  }

  private search(words: string): string {
    this.hits = found(this.graph.nodes.unit, words);
    this.hit = -1;
    this.look();
    return words.trim() === "" ? "" : this.hits.length === 0 ? "none" : String(this.hits.length);
  }

  private nextHit(): void {
    const visible = this.hits.filter((node) => this.shown.nodes[node] === 1);
    if (visible.length === 0) return;
    this.hit = (this.hit + 1) % visible.length;
    const node = visible[this.hit] ?? 0;
    this.reveal(node);
    this.told = { node };
    this.tell();
  }

  private readonly onSelected = (): void => {
    const selected = this.model.get("selected");
    const chosen = new Set(selected);
    this.scene.buttons.forEach((button, node) => button.setAttribute("aria-pressed", String(chosen.has(this.graph.nodes.unit[node] ?? ""))));
    this.selection.draw(selected, this.model.get("can_ablate"));
    this.mark();
    this.tell();
  };

  private readonly onPinned = (): void => {
    this.markStop();
    this.mark();
    this.look();
  };

  private mark(): void {
    const chosen = new Set(this.model.get("selected"));
    const selected = new Set(this.graph.nodes.unit.flatMap((unit, node) => (chosen.has(unit) ? [node] : [])));
    this.scene.canvas.mark({ pinned: this.pinned(), selected });
  }

  private readonly onMessage = (message: Message, [buffer]: DataView[]): void => {
    if (message.type === "detail" && buffer !== undefined) {
      this.details.keep(message.unit, message.content, buffer);
      this.tell();
    } else if (message.type === "ablated") this.selection.say(message.error || message.text, message.error !== "");
    else if (message.type === "error") this.panel.replaceChildren(html("p", { class: "fvh-note", role: "alert" }, message.text));
  };

  private readonly onMove = (event: PointerEvent): void => {
    if (this.camera.dragging) return;
    cancelAnimationFrame(this.frameAsked);
    this.frameAsked = requestAnimationFrame(() => {
      const [x, y] = this.at(event);
      const node = nodeAt(this.scene.places, this.shown.nodes, x, y);
      const edge = node === null ? nearestEdge(this.shown.edges, this.scene.curves, x, y, REACH / this.camera.view.k) : null;
      this.glass.style.cursor = node === null ? "" : "pointer";
      this.hover(node !== null ? { node } : edge !== null ? { edge } : null);
      if (node !== null) this.facet(node, x);
    });
  };

  /** Where an event lies in the world. */
  private at(event: MouseEvent): [number, number] {
    const box = this.frame.getBoundingClientRect();
    const { x, y, k } = this.camera.view;
    return [(event.clientX - box.left - x) / k, (event.clientY - box.top - y) / k];
  }

  /** The place of the pointer on a unit's picture chooses one of several facets. */
  private facet(node: number, x: number): void {
    const detail = this.details.of(this.graph.nodes.unit[node] ?? "");
    const tile = this.scene.litTile(node);
    if (detail === null || tile === null || detail.pictures.length < 2) return;
    const side = this.scene.places.side[node] ?? 1;
    const share = (x - (this.scene.places.x[node] ?? 0)) / side + 0.5;
    const index = Math.floor(Math.min(0.999, Math.max(0, share)) * detail.pictures.length);
    if (tile.dataset.facet === String(index)) return;
    tile.dataset.facet = String(index);
    tile.style.cssText = `background:url("${detail.pictures[index]}") center / cover`;
  }

  private readonly onClick = (event: MouseEvent): void => {
    if (this.camera.dragging) return;
    const node = event.target === this.glass ? nodeAt(this.scene.places, this.shown.nodes, ...this.at(event)) : nodeOf(event.target);
    if (node === null) return;
    const unit = this.graph.nodes.unit[node] ?? "";
    if (event.shiftKey || event.ctrlKey || event.metaKey) this.toggle(unit);
    else this.pin(unit);
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = nodeOf(event.target);
    const unit = node === null ? "" : (this.graph.nodes.unit[node] ?? "");
    const next = node === null ? null : nodeAfter(event.key, this.graph, this.scene.places, this.edges, node);
    if (next !== null) this.go(next);
    else if (node !== null && event.key === "Enter") this.pin(unit);
    else if (node !== null && event.key === " ") this.toggle(unit);
    else if (event.key === "Escape" && this.model.get("pinned") !== "") this.save("pinned", "");
    else if (event.key === "+" || event.key === "=") this.camera.zoom(1.3);
    else if (event.key === "-") this.camera.zoom(1 / 1.3);
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has its own use for these keys
  };
}

function nodeOf(target: EventTarget | null): number | null {
  const found = target instanceof Element ? target.closest("button.fvh-node") : null;
  return found === null ? null : Number(found.getAttribute("data-node"));
}

function render({ model, el }: RenderProps<State>): () => void {
  const view = new GraphView(model, el);
  return () => view.destroy();
}

/** Start on a page that was written without a kernel: the state stands in the page. */
function mount(): void {
  const state = document.querySelector("script.fvh-state:not([data-used])");
  const mounts = document.querySelectorAll<HTMLElement>(".fvh-mount");
  const el = mounts[0];
  if (state === null || el === undefined) return;
  state.setAttribute("data-used", "");
  const page = el.closest(".fvhooks") ?? el;
  const root = html("div", {});
  page.replaceWith(root);
  new GraphView(new StaticModel<State>(state.textContent ?? "") as unknown as Model, root);
}

export default { render, mount };
