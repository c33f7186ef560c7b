import type { Scene } from "./scene";

const TIME = 650; // milliseconds

/** Put items between the layout's places (0) and their cells (1). */
export function place(scene: Scene, mix: number): void {
  const { items } = scene;
  scene.mix = mix;
  for (let item = 0; item < items.count; item += 1) {
    const [x, y] = [items.x[item]!, items.y[item]!];
    scene.x[item] = x + mix * (items.col[item]! + 0.5 - x);
    scene.y[item] = y + mix * (items.row[item]! + 0.5 - y);
  }
}

/** Moves items to the grid and back, at once for those who want no motion. */
export class Motion {
  private asked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly moved: () => void,
  ) {}

  to(goal: 0 | 1): void {
    cancelAnimationFrame(this.asked);
    const [from, start] = [this.scene.mix, performance.now()];
    const still = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? true;
    const step = (now: number): void => {
      const share = still ? 1 : Math.min(1, Math.max(0, (now - start) / TIME));
      const eased = share * share * (3 - 2 * share);
      place(this.scene, share === 1 ? goal : from + (goal - from) * eased);
      this.moved();
      if (share < 1) this.asked = requestAnimationFrame(step);
    };
    step(start);
  }

  release(): void {
    cancelAnimationFrame(this.asked);
  }
}
