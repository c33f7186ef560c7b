import { html, uniqueId } from "../dom";
import { roving } from "../roving";
import type { Classes, Sorting } from "./classdata";
import { ClassList } from "./classlist";
import { act } from "../controls";
import { Embedding } from "./embedding";

const SORTINGS: Sorting[] = ["similarity", "most accurate", "least accurate"];

/** Map and list of the classes, which show the same layer and the same chosen class. */
export class ClassView {
  readonly element = html("section", { class: "fvh-classview", "aria-label": "Classes" });
  private readonly map: Embedding | null;
  private readonly list: ClassList;
  private layer: number;
  private sorting: Sorting = "similarity";
  private words = "";
  private chosen = -1;
  private hovered = -1;

  constructor(
    private readonly classes: Classes,
    private readonly choose: (name: string) => void,
  ) {
    this.layer = Math.max(0, classes.facts.layers.length - 1);
    const pick = (index: number): void => this.choose(classes.facts.name[index] ?? "");
    const hover = (index: number): void => {
      this.hovered = index;
      this.mark();
    };
    const frame = html("div", { class: "fvh-map-frame", tabindex: 0 });
    this.map = classes.x === null || classes.y === null ? null : new Embedding(classes, pick, hover, frame);
    this.list = new ClassList(classes, pick, hover, () => this.mark());
    const [glyphs, choosing] = this.drawLayers();
    const zooms = html("div", { class: "fvh-acts" }, act("+", () => this.map?.zoom(1.5), "Zoom the classes in"), act("−", () => this.map?.zoom(1 / 1.5), "Zoom the classes out"), act("Reset", () => this.map?.reset(), "Show all classes"));
    const shown = this.map === null ? [] : [html("h4", {}, "Classes"), glyphs, frame, zooms];
    this.element.append(...shown, this.drawTools(), this.list.element);
    choosing(this.layer);
  }

  /** Once it is in the page and has a size. */
  start(chosen: string): void {
    this.map?.reset();
    this.map?.show(this.layer);
    this.redraw();
    this.show(chosen);
  }

  show(name: string): void {
    this.chosen = this.classes.facts.name.indexOf(name);
    this.list.mark(this.chosen);
    this.mark();
  }

  private mark(): void {
    this.map?.mark(this.chosen, this.hovered, this.list.listed());
  }

  private redraw(): void {
    this.list.draw(this.sorting, this.layer, this.words, this.chosen);
    this.mark();
  }

  private drawLayers(): [HTMLElement, (index: number) => void] {
    const { layers } = this.classes.facts;
    const buttons = layers.map((layer) => html("button", { type: "button", role: "radio", class: "fvh-glyph", title: layer, "aria-label": layer }));
    const name = html("span", { class: "fvh-phrase" });
    const mark = roving(buttons, "aria-checked", (index) => show(index));
    const show = (index: number): void => {
      this.layer = index;
      name.textContent = layers[index] ?? "";
      mark(index);
      this.map?.show(index);
      this.redraw();
    };
    const start = (index: number): void => {
      name.textContent = layers[index] ?? "";
      mark(index);
    };
    return [html("div", { class: "fvh-glyphs", role: "radiogroup", "aria-label": "Layer of the map" }, ...buttons, name), start];
  }

  private drawTools(): HTMLElement {
    const id = uniqueId();
    const search = html("input", { type: "search", placeholder: "Find a class", "aria-label": "Find a class" });
    search.addEventListener("keydown", (event) => event.stopPropagation());
    search.addEventListener("input", () => {
      this.words = search.value;
      this.redraw();
    });
    const sort = html("select", { id }, ...SORTINGS.map((one) => html("option", { value: one }, one)));
    sort.addEventListener("change", () => {
      this.sorting = sort.value as Sorting;
      this.redraw();
    });
    return html("div", { class: "fvh-tools" }, search, html("label", { for: id, class: "fvh-phrase" }, "Sort by"), sort);
  }
}
