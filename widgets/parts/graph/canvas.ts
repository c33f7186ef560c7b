import { html } from "../dom";
import type { View } from "../camera";
import type { Graph } from "./data";
import { type Look, type Marks, inSight, paintEdges, paintNode } from "./painter";
import type { Places } from "./rows";

const MARGIN = 0.5; // of the window, painted on each side beyond what is in sight
const REST = 90; // milliseconds without a step after which the picture is painted anew
const STYLES: Record<string, string> = {
  ink: "--fvh-ink", soft: "--fvh-soft", paper: "--fvh-paper", well: "--fvh-well", line: "--fvh-line", accent: "--fvh-accent",
  "fvh-positive": "--fvh-positive", "fvh-negative": "--fvh-negative", "fvh-first": "--fvh-first", "fvh-both": "--fvh-both",
  "fvh-second": "--fvh-second", contradicted: "--fvh-bad", inconclusive: "--fvh-open", "not contradicted": "--fvh-good",
}; // prettier-ignore

export interface Content {
  places: Places;
  shown: Uint8Array;
  edges: number[]; // the weakest first
  down: number;
}

/**
 * The whole graph in one picture, larger than the window.
 *
 * A step of panning only shifts the picture, which no script or paint of the page has to do for each element; it
 * is painted anew when the pointer rests, or where a step would show what lies beyond it.
 */
export class Canvas {
  readonly element = html("canvas", { class: "fvh-canvas", role: "presentation" });
  private readonly pen = this.element.getContext("2d");
  private atlas: HTMLImageElement | null = null;
  private content: Content | null = null;
  private painted: View = { x: 0, y: 0, k: 1 };
  private view: View = { x: 0, y: 0, k: 1 };
  private marks: Marks = { pinned: null, selected: new Set() };
  private resting = 0;

  constructor(
    private readonly graph: Graph,
    private readonly frame: HTMLElement,
    atlas: string | null,
  ) {
    if (atlas === null) return;
    const image = new Image();
    image.addEventListener("load", () => {
      this.atlas = image;
      this.paint();
    });
    image.src = atlas;
  }

  show(content: Content): void {
    this.content = content;
    this.paint();
  }

  mark(marks: Marks): void {
    this.marks = marks;
    this.paint();
  }

  look(view: View): void {
    this.view = view;
    this.shift();
    clearTimeout(this.resting);
    if (view.k !== this.painted.k || view.x !== this.painted.x || view.y !== this.painted.y) {
      this.resting = window.setTimeout(() => this.paint(), REST);
    }
  }

  release(): void {
    clearTimeout(this.resting);
  }

  /** Paint what is in the window and around it. */
  paint(): void {
    const { content, pen } = this;
    if (content === null || pen === null) return;
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    if (width === 0) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const [wide, tall] = [width * (1 + 2 * MARGIN), height * (1 + 2 * MARGIN)];
    const view = { k: this.view.k, x: this.view.x + width * MARGIN, y: this.view.y + height * MARGIN };
    [this.element.width, this.element.height] = [Math.round(wide * ratio), Math.round(tall * ratio)];
    this.element.style.cssText = `width:${wide}px;height:${tall}px`;
    pen.setTransform(ratio * view.k, 0, 0, ratio * view.k, ratio * view.x, ratio * view.y);
    const look = this.colours();
    const sight = inSight(view, wide, tall);
    const { places, shown, edges, down } = content;
    const lines = paintEdges(pen, this.graph, places, edges, look, down, sight);
    let nodes = 0;
    for (let node = 0; node < this.graph.count; node += 1) {
      const [x, y, half] = [places.x[node] ?? 0, places.y[node] ?? 0, (places.side[node] ?? 0) / 2 + 16];
      if (shown[node] !== 1 || !sight([x - half, y - half, x + half, y + half])) continue;
      paintNode(pen, this.graph, node, places, { atlas: this.atlas, look, marks: this.marks }, view.k);
      nodes += 1;
    }
    this.painted = { ...this.view };
    Object.assign(this.element.dataset, { nodes: String(nodes), edges: String(lines) });
    this.shift();
  }

  /** Bring the painted picture to where the view wants it. */
  private shift(): void {
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const scale = this.view.k / this.painted.k;
    const x = this.view.x + (-width * MARGIN - this.painted.x) * scale;
    const y = this.view.y + (-height * MARGIN - this.painted.y) * scale;
    this.element.style.transform = `translate3d(${x}px,${y}px,0) scale(${scale})`;
  }

  private colours(): Look {
    const style = getComputedStyle(this.frame);
    const found = Object.entries(STYLES).map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]);
    return Object.fromEntries(found) as Look;
  }
}
