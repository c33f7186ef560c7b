export type Point = [x: number, y: number];

/** Whether a point lies inside a closed line. */
export function inside(line: Point[], x: number, y: number): boolean {
  let found = false;
  for (let at = 0, last = line.length - 1; at < line.length; last = at, at += 1) {
    const [[ax, ay], [bx, by]] = [line[at]!, line[last]!];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) found = !found;
  }
  return found;
}

/** The smallest rectangle around a line. */
export function around(line: Point[]): [left: number, top: number, right: number, bottom: number] {
  const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

const STEP = 3; // pixels between two points that are kept

/** A line drawn with the pointer over a pane; told as it grows, and once it is closed. */
export class Lasso {
  wanted = false;
  private line: Point[] | null = null;

  constructor(
    private readonly pane: HTMLElement,
    private readonly grows: (line: Point[]) => void,
    private readonly closed: (line: Point[], add: boolean) => void,
  ) {}

  /** Take a press that begins a lasso: with Shift, or where the lasso was asked for. */
  readonly takes = (down: PointerEvent): boolean => {
    if (!down.shiftKey && !this.wanted) return false;
    const box = this.pane.getBoundingClientRect();
    const at = (event: PointerEvent): Point => [event.clientX - box.left, event.clientY - box.top];
    const line = [at(down)];
    this.line = line;
    this.pane.setPointerCapture?.(down.pointerId);
    const move = (event: PointerEvent): void => {
      const [point, last] = [at(event), line[line.length - 1]!];
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) < STEP) return;
      line.push(point);
      this.grows(line);
    };
    const stop = (event: PointerEvent): void => {
      this.pane.removeEventListener("pointermove", move);
      this.pane.removeEventListener("pointerup", stop);
      this.pane.removeEventListener("pointercancel", stop);
      if (line.length > 2 && event.type === "pointerup") this.closed(line, event.ctrlKey || event.metaKey);
      else this.grows([]);
      setTimeout(() => (this.line = null)); // after the click that ends it
    };
    this.pane.addEventListener("pointermove", move);
    this.pane.addEventListener("pointerup", stop);
    this.pane.addEventListener("pointercancel", stop);
    return true;
  };

  /** Whether a line was drawn just now: the click that ends it chooses nothing. */
  get drawing(): boolean {
    return this.line !== null && this.line.length > 2;
  }
}
