import type { AnyModel, RenderProps } from "@anywidget/types";

import { html } from "./parts/dom";
import type { AtlasFacts, Columns } from "./parts/atlas/facts";
import { Items } from "./parts/atlas/items";
import { Coarse } from "./parts/atlas/coarse";
import { type Shared, type Spot, asSpot, hashOf, saidOf, sharedOf } from "./parts/atlas/spot";
import { type Place, TileStore } from "./parts/atlas/tiles";
import { MapView } from "./parts/atlas/view";
import { mountStatic } from "./parts/static";

interface State {
  selected: string[];
  pinned: string[];
  place: Spot | Record<string, never>; // empty before anyone has moved it
  atlas: AtlasFacts;
  blobs: DataView;
}

type Message =
  | { type: "columns"; columns: Columns }
  | { type: "more"; columns: Columns }
  | { type: "tile" | "absent"; place: Place }
  | { type: "error"; text: string };
type Model = AnyModel<State>;

/** One view of an atlas: the map itself as soon as its columns are there, and a picture of it before that. */
class AtlasView {
  private readonly facts: AtlasFacts;
  private readonly store: TileStore | null;
  private readonly root: HTMLElement;
  private readonly said = html("p", { class: "fvh-note", role: "status", hidden: true });
  private items: Items | null = null;
  private view: MapView | null = null;
  private coarse: Coarse | null = null;
  private own = ""; // the address that this view wrote itself
  private readonly off: (() => void)[] = [];

  constructor(
    private readonly model: Model,
    el: HTMLElement,
    private readonly alone = false, // on a page of its own, which has an address
  ) {
    this.facts = model.get("atlas");
    const { tiles, title, notes, columns } = this.facts;
    const ask = (places: Place[]): void => model.send({ type: "tiles", places });
    this.store = tiles === null ? null : new TileStore(tiles, model.get("blobs"), ask, () => this.arrived());
    const head = html("header", {}, html("h3", {}, title), ...notes.map((note) => html("p", { class: "fvh-note" }, note)), this.said);
    this.root = html("section", { class: "fvhooks fvh-atlas", "aria-label": title }, head);
    el.append(this.root);
    this.listen();
    if (columns !== null) this.open(model.get("blobs"), columns);
    else this.wait();
  }

  destroy(): void {
    for (const stop of this.off) stop();
    this.view?.release();
    this.store?.release();
  }

  private wait(): void {
    this.coarse = new Coarse(this.facts, this.store);
    this.root.append(this.coarse.element);
    this.say("Python is asked for the places of the items; without it this map stays a picture.");
    this.model.send({ type: "columns" });
  }

  private open(packed: DataView, columns: Columns): void {
    const { model } = this;
    this.items = new Items(this.facts, packed, columns);
    if (this.facts.more !== null) this.items.add(packed, this.facts.more);
    this.view = new MapView(this.items, this.store, {
      selected: () => model.get("selected"),
      pinned: () => model.get("pinned"),
      select: (ids) => this.save("selected", ids),
      pin: (ids) => this.save("pinned", ids),
      more: () => model.send({ type: "more" }),
      place: () => asSpot(model.get("place")),
      look: (spot) => this.save("place", spot),
      link: this.alone ? (spot) => this.copy(spot) : null,
    });
    this.coarse?.element.remove();
    this.coarse = null;
    this.root.append(this.view.element);
    this.view.start();
    // in a notebook the cell has no size yet when the view is made
    const frame = this.view.element.querySelector(".fvh-window");
    if (frame === null || typeof ResizeObserver !== "function" || frame.clientWidth > 0) return;
    const sized = new ResizeObserver(() => {
      if (frame.clientWidth === 0) return;
      sized.disconnect();
      this.view?.start();
    });
    sized.observe(frame);
    this.off.push(() => sized.disconnect());
  }

  private listen(): void {
    const on = (name: string, listener: (...args: never[]) => void): void => {
      this.model.on(name as never, listener as never);
      this.off.push(() => this.model.off(name as never, listener as never));
    };
    on("change:selected", () => this.view?.selected());
    on("change:pinned", () => this.view?.pinned());
    on("change:place", () => this.view?.place());
    on("msg:custom", this.onMessage);
    if (!this.alone) return;
    window.addEventListener("hashchange", this.onAddress);
    this.off.push(() => window.removeEventListener("hashchange", this.onAddress));
  }

  /** A link that was put into the address of a page that is open already. */
  private readonly onAddress = (): void => {
    const { hash } = window.location;
    const mine = hash === this.own;
    this.own = "";
    if (!mine) follow(this.model, hash);
  };

  private save<K extends "selected" | "pinned" | "place">(trait: K, value: State[K]): void {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  /** Put a link to what is seen into the address, and into the clipboard where a page may do that. */
  private async copy(place: Spot): Promise<string> {
    const [selected, pinned] = [this.model.get("selected"), this.model.get("pinned")];
    this.own = hashOf({ place, selected, pinned });
    window.location.replace(this.own);
    try {
      await navigator.clipboard.writeText(window.location.href);
      return saidOf(true, selected.length);
    } catch {
      return saidOf(false, selected.length);
    }
  }

  private arrived(): void {
    this.view?.arrived();
    this.coarse?.paint();
  }

  private say(words: string): void {
    this.said.textContent = words;
    this.said.hidden = words === "";
  }

  private readonly onMessage = (message: Message, [buffer]: DataView[]): void => {
    if (message.type === "error") this.say(message.text);
    else if (message.type === "absent") this.store?.lacks(message.place);
    else if (buffer === undefined) return;
    else if (message.type === "tile") this.store?.keep(message.place, new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength));
    else if (message.type === "more") {
      this.items?.add(buffer, message.columns);
      this.view?.learned();
    } else if (message.type === "columns" && this.view === null) {
      this.say("");
      this.open(buffer, message.columns);
    }
  };
}

/** Take over what an address says of place and choices, if it says anything. */
function follow(model: { set: (name: "place" | "selected" | "pinned", value: never) => void }, hash: string): void {
  for (const [name, value] of Object.entries(sharedOf(hash) ?? {})) model.set(name as keyof Shared, value as never);
}

function render({ model, el }: RenderProps<State>): () => void {
  const view = new AtlasView(model, el);
  return () => view.destroy();
}

/** A page without a kernel takes what is chosen from its address. */
function mount(): void {
  mountStatic<State>((model, root) => {
    follow(model, window.location.hash);
    new AtlasView(model as unknown as Model, root, !("fvhWithin" in document.documentElement.dataset) && window.location.protocol !== "about:");
  });
}

export default { render, mount };
