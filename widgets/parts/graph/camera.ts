export interface View {
  x: number;
  y: number;
  k: number;
}

export interface Range {
  least: number;
  most: number;
}

/** The view after zooming by a factor, with the point (x, y) of the window staying where it is. */
export function zoomed(view: View, factor: number, x: number, y: number, range: Range): View {
  const k = Math.min(range.most, Math.max(range.least, view.k * factor));
  return { k, x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k };
}

const DRAG = 4; // pixels that a press may move and still be a click

/**
 * Pan by dragging and zoom by the wheel, in a window.
 *
 * The wheel zooms where Ctrl is held or the focus lies inside the window; else it scrolls the page.
 */
export class Camera {
  view: View = { x: 0, y: 0, k: 1 };
  dragging = false;

  constructor(
    private readonly pane: HTMLElement, // what takes the pointer
    private readonly frame: HTMLElement, // where the focus may lie
    private readonly range: Range,
    private readonly apply: (view: View) => void,
  ) {
    pane.addEventListener("pointerdown", this.press);
    pane.addEventListener("wheel", this.wheel, { passive: false });
  }

  set(view: View): void {
    this.view = view;
    this.apply(view);
  }

  zoom(factor: number, x = this.frame.clientWidth / 2, y = this.frame.clientHeight / 2): void {
    this.view = zoomed(this.view, factor, x, y, this.range);
    this.apply(this.view);
  }

  private readonly press = (down: PointerEvent): void => {
    if (down.button !== 0) return;
    const start = { ...this.view };
    const move = (event: PointerEvent): void => {
      const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY];
      if (!this.dragging && Math.hypot(dx, dy) < DRAG) return;
      if (!this.dragging) this.pane.setPointerCapture?.(down.pointerId);
      this.dragging = true;
      this.view = { k: this.view.k, x: start.x + dx, y: start.y + dy };
      this.apply(this.view);
    };
    const stop = (): void => {
      this.pane.removeEventListener("pointermove", move);
      this.pane.removeEventListener("pointerup", stop);
      this.pane.removeEventListener("pointercancel", stop);
      setTimeout(() => (this.dragging = false)); // after the click that ends a drag
    };
    this.pane.addEventListener("pointermove", move);
    this.pane.addEventListener("pointerup", stop);
    this.pane.addEventListener("pointercancel", stop);
  };

  private readonly wheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.metaKey && !this.frame.contains(document.activeElement)) return;
    event.preventDefault();
    const box = this.frame.getBoundingClientRect();
    const pixels = event.deltaMode === 1 ? event.deltaY * 20 : event.deltaY;
    this.zoom(Math.exp(-pixels * 0.002), event.clientX - box.left, event.clientY - box.top);
  };
}
