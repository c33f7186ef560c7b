import type { Items } from "./items";
import type { Spot } from "./spot";

/** Where the choices of a person are kept. */
export interface Kept {
  selected: () => string[];
  pinned: () => string[];
  select: (ids: string[]) => void;
  pin: (ids: string[]) => void;
  more: () => void; // ask for neighbours and histograms
  place: () => Spot | null; // where it is looked at from, if that was said
  look: (spot: Spot) => void;
  link: ((spot: Spot) => Promise<string>) | null; // copy a link; null where there is no page of its own
}

/** What is selected and pinned, by item. */
export class Choices {
  private readonly places: Map<string, number>;

  constructor(
    private readonly items: Items,
    private readonly kept: Kept,
  ) {
    this.places = new Map(items.ids.map((id, item) => [id, item]));
  }

  get selected(): number[] {
    return this.found(this.kept.selected());
  }

  get pinned(): number[] {
    return this.found(this.kept.pinned());
  }

  /** Pin one, or take it off; of three the second makes room. */
  pin(item: number): void {
    const [id, pinned] = [this.id(item), this.kept.pinned()];
    this.kept.pin(pinned.includes(id) ? pinned.filter((one) => one !== id) : [...pinned.slice(0, 1), id]);
  }

  unpin(): void {
    if (this.kept.pinned().length > 0) this.kept.pin([]);
  }

  /** Take one into the selection, or out of it. */
  toggle(item: number): void {
    const [id, selected] = [this.id(item), this.kept.selected()];
    this.kept.select(selected.includes(id) ? selected.filter((one) => one !== id) : [...selected, id]);
  }

  /** Select some, beside what is selected already or in its place. */
  choose(chosen: number[], add: boolean): void {
    const ids = chosen.map((item) => this.id(item));
    this.kept.select(add ? [...new Set([...this.kept.selected(), ...ids])] : ids);
  }

  private id(item: number): string {
    return this.items.ids[item] ?? "";
  }

  private found(ids: string[]): number[] {
    return ids.flatMap((id) => this.places.get(id) ?? []);
  }
}
