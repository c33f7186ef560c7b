import type { Items } from "./items";

/** What was found, and which of it is looked at. */
export class Search {
  readonly flags: Uint8Array;
  private hits: number[] = [];
  private at = -1;

  constructor(private readonly items: Items) {
    this.flags = new Uint8Array(items.count);
  }

  /** Find items by id and class: those with exactly this id first. Returns how many there are, in words. */
  find(words: string): string {
    const wanted = words.trim().toLowerCase();
    this.flags.fill(0);
    [this.hits, this.at] = [[], -1];
    if (wanted === "") return "";
    const labelled = this.items.labels.map((label) => label.toLowerCase().includes(wanted));
    const exact: number[] = [];
    this.items.ids.forEach((id, item) => {
      const name = id.toLowerCase();
      if (name === wanted) exact.push(item);
      else if (name.includes(wanted) || labelled[this.items.label[item] ?? 0]) this.hits.push(item);
    });
    this.hits.unshift(...exact);
    for (const item of this.hits) this.flags[item] = 1;
    return this.hits.length === 0 ? "none" : this.hits.length.toLocaleString("en");
  }

  /** The next hit, or the one before; null where nothing was found. */
  step(by: 1 | -1): number | null {
    const count = this.hits.length;
    if (count === 0) return null;
    this.at = this.at < 0 ? (by > 0 ? 0 : count - 1) : (this.at + by + count) % count;
    return this.hits[this.at] ?? null;
  }

  get place(): string {
    return this.at < 0 ? "" : `${this.at + 1} of ${this.hits.length}`;
  }

  get any(): boolean {
    return this.hits.length > 0;
  }
}
