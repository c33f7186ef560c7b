import type { Pictures } from "../blobs";
import type { Span } from "../types";

const AT_ONCE = 12; // as many as Python answers in one message

/** Small pictures of units: those that came with the view, and others that Python is asked for, once. */
export class Thumbs {
  private readonly urls = new Map<string, string>();
  private readonly asked = new Set<string>();

  constructor(
    private readonly pictures: Pictures,
    private readonly ask: ((units: string[]) => void) | null,
  ) {}

  of(unit: string): string | null {
    return this.urls.get(unit) ?? null;
  }

  /** Take in pictures; says which are new. */
  keep(spans: Record<string, Span>, packed: DataView): [unit: string, url: string][] {
    const fresh = Object.entries(spans).filter(([unit]) => !this.urls.has(unit));
    return fresh.map(([unit, span]) => {
      const url = this.pictures.all(packed, [span])[0] ?? "";
      this.urls.set(unit, url);
      return [unit, url];
    });
  }

  /** Ask for those of some units that are neither here nor asked for. */
  want(units: readonly string[]): void {
    if (this.ask === null) return;
    const missing = units.filter((unit) => !this.urls.has(unit) && !this.asked.has(unit));
    for (const unit of missing) this.asked.add(unit);
    for (let at = 0; at < missing.length; at += AT_ONCE) this.ask(missing.slice(at, at + AT_ONCE));
  }
}
