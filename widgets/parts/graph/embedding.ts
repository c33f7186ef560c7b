import { svg } from "../dom";
import { Camera } from "../camera";
import type { Classes } from "./classdata";

const RANGE = { least: 0.4, most: 150 };
const NAMED = 10; // from this zoom on all classes in sight are named
const SIDE = 260; // of the square that the classes of a layer are fitted into

/** The classes of one layer as dots; another layer moves them. */
export class Embedding {
  readonly frame: HTMLElement;
  private readonly dots: SVGElement[];
  private readonly world = svg("g", {});
  private readonly camera: Camera;
  private layer = 0;
  private chosen = -1;
  private hovered = -1;
  private readonly names = svg("g", { class: "fvh-names" });

  constructor(
    private readonly classes: Classes,
    private readonly choose: (index: number) => void,
    hover: (index: number) => void,
    frame: HTMLElement,
  ) {
    this.frame = frame;
    this.dots = classes.facts.name.map((name, index) => {
      const look = index === classes.facts.own ? "fvh-dot fvh-own-class" : "fvh-dot";
      const dot = svg("circle", { class: look, "data-class": index }, svg("title", {}, name));
      dot.addEventListener("click", () => this.choose(index));
      dot.addEventListener("pointerenter", () => hover(index));
      dot.addEventListener("pointerleave", () => hover(-1));
      return dot;
    });
    this.world.append(...this.dots, this.names);
    frame.append(svg("svg", { class: "fvh-map", role: "img", "aria-label": "Classes; near ones use the same units" }, this.world));
    this.camera = new Camera(frame, frame, RANGE, () => this.look());
    this.reset();
  }

  /** Where a class lies at the present layer. */
  private at(index: number): [number, number] {
    const { count, x, y } = this.classes;
    const base = this.layer * count;
    const span = (list: Float32Array): [number, number] => {
      const part = list.subarray(base, base + count).filter((value) => !Number.isNaN(value));
      return [part.reduce((a, b) => Math.min(a, b), Infinity), part.reduce((a, b) => Math.max(a, b), -Infinity)];
    };
    if (x === null || y === null) return [0, 0];
    const [[left, right], [top, bottom]] = [span(x), span(y)];
    const scale = (SIDE - 30) / (Math.max(right - left, bottom - top) || 1);
    return [((x[base + index] ?? 0) - (left + right) / 2) * scale, ((y[base + index] ?? 0) - (top + bottom) / 2) * scale];
  }

  show(layer: number): void {
    this.layer = layer;
    this.dots.forEach((dot, index) => {
      const [x, y] = this.at(index);
      dot.style.transform = `translate(${x.toFixed(2)}px,${y.toFixed(2)}px)`;
    });
    this.look();
  }

  /** Mark the class that is chosen, the one that is hovered, and those that the list shows now. */
  mark(chosen: number, hovered: number, listed: Set<number>): void {
    [this.chosen, this.hovered] = [chosen, hovered];
    this.dots.forEach((dot, index) => {
      dot.classList.toggle("fvh-chosen", index === chosen);
      dot.classList.toggle("fvh-hovered", index === hovered);
      dot.classList.toggle("fvh-listed", listed.has(index));
    });
    this.look();
  }

  zoom(factor: number): void {
    this.camera.zoom(factor);
  }

  reset(): void {
    const [width, height] = [this.frame.clientWidth || SIDE, this.frame.clientHeight || SIDE];
    this.camera.set({ x: width / 2, y: height / 2, k: Math.min(width, height) / SIDE });
  }

  private look(): void {
    const { x, y, k } = this.camera?.view ?? { x: 0, y: 0, k: 1 };
    this.world.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    this.world.style.setProperty("--fvh-k", String(k));
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const named = this.dots.flatMap((_, index) => {
      const [px, py] = this.at(index);
      const inside = px * k + x > 0 && px * k + x < width && py * k + y > 0 && py * k + y < height;
      return index === this.chosen || index === this.hovered || index === this.classes.facts.own || (k > NAMED && inside) ? [[index, px, py] as const] : [];
    });
    this.names.replaceChildren(
      ...named.map(([index, px, py]) => svg("text", { x: px, y: py, dy: "-0.6em", "text-anchor": "middle" }, this.classes.facts.name[index] ?? "")),
    );
  }
}
