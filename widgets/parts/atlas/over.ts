import type { View } from "../camera";
import { svg } from "../dom";
import type { Point } from "./lasso";

export interface Frame {
  x: number; // of the middle, in cells
  y: number;
  side: number;
  look: "hover" | "focus" | "pinned" | "near";
}

/** What changes with every move of the pointer, over the painted map: frames, lines to neighbours, the lasso. */
export class Over {
  readonly element = svg("svg", { class: "fvh-over", "aria-hidden": "true" });
  private readonly world = svg("g");
  private readonly line = svg("path", { class: "fvh-lasso" });

  constructor() {
    this.element.append(this.world, this.line);
  }

  look(view: View): void {
    this.world.setAttribute("transform", `matrix(${view.k} 0 0 ${view.k} ${view.x} ${view.y})`);
  }

  show(frames: Frame[], lines: [Point, Point][]): void {
    const strokes = lines.map(([[x1, y1], [x2, y2]]) => svg("line", { class: "fvh-tie", x1, y1, x2, y2 }));
    const boxes = frames.flatMap(({ x, y, side, look }) => {
      const place = { x: x - side / 2, y: y - side / 2, width: side, height: side };
      return [svg("rect", { class: "fvh-at fvh-at-under", ...place }), svg("rect", { class: `fvh-at fvh-at-${look}`, ...place })];
    });
    this.world.replaceChildren(...strokes, ...boxes);
  }

  lasso(line: Point[]): void {
    this.line.setAttribute("d", line.length < 2 ? "" : `M${line.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`);
  }
}
