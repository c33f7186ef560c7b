import { act } from "../controls";
import { html } from "../dom";
import type { Items } from "./items";
import { said } from "./scales";
import { spread } from "./spread";
import { type TileStore, pictureOf } from "./tiles";

const LONGEST = 32; // letters of a neighbour without a picture
const SOURCES: Record<string, string> = {
  data: "an image of the data",
  crop: "a crop of an image of the data",
  synthetic: "S · a synthetic picture, no image of the data",
  generated: "G · made by a generative model, no image of the data",
  text: "text",
};

export interface Acts {
  pinned: boolean;
  selected: boolean;
  pin: () => void;
  select: () => void;
  go: (item: number) => void;
}

/** An item's picture as a small canvas; words where it has none. */
export function thumbnail(items: Items, store: TileStore | null, item: number, side: number): HTMLElement {
  const cut = store === null || !items.pictured(item) ? null : pictureOf(store, items, item);
  if (cut === null) {
    store?.fetch();
    return html("span", { class: "fvh-thumb fvh-wordy", style: `width:${side}px;height:${side}px` }, side < 60 ? "" : items.labelOf(item) || (items.ids[item] ?? ""));
  }
  const made = html("canvas", { class: "fvh-thumb", role: "img", "aria-label": `Picture of ${items.ids[item] ?? ""}` });
  const size = Math.max(cut.side, Math.min(2, window.devicePixelRatio || 1) * side);
  [made.width, made.height] = [size, size];
  made.style.cssText = `width:${side}px;height:${side}px`;
  const pen = made.getContext("2d");
  if (pen !== null) {
    pen.imageSmoothingEnabled = store !== null && !store.facts.pixelated;
    pen.drawImage(cut.tile, cut.x, cut.y, cut.side, cut.side, 0, 0, size, size);
  }
  return made;
}

function told(items: Items, item: number): [string, string][] {
  const pairs: [string, string][] = [
    ["Class", items.labelOf(item)],
    ["Score", items.facts.overlays.includes("score") ? said(items.score[item] ?? NaN) : ""],
    ["Stratum", items.stratumOf(item)],
    ["Local trust", Number.isFinite(items.trustOf(item)) ? said(items.trustOf(item)) : ""],
    ["Moved by", items.facts.overlays.includes("displacement") ? `${said(items.displacement[item] ?? NaN)} cells` : ""],
    ["Place", `row ${(items.row[item] ?? 0) + 1}, column ${(items.col[item] ?? 0) + 1}`],
    ["Shown", SOURCES[items.sourceOf(item)] ?? ""],
  ];
  return pairs.filter(([, value]) => value !== "");
}

/** What is known of one item. `stands` is how many items a coarse cell shows it for. */
export function drawCard(items: Items, store: TileStore | null, item: number, stands: number, acts: Acts): HTMLElement {
  const id = items.ids[item] ?? "";
  const near = items.neighbours(item);
  const flag = items.flagOf(item);
  const jumps = near.map((other) => {
    const words = `${items.ids[other] ?? ""}${items.labelOf(other) === "" ? "" : `, ${items.labelOf(other)}`}`;
    const pictured = store !== null && items.pictured(other);
    const name = items.labelOf(other) || (items.ids[other] ?? "");
    const shown = pictured ? thumbnail(items, store, other, 40) : name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name;
    const button = html("button", { type: "button", class: pictured ? "fvh-jump" : "fvh-act", title: words, "aria-label": `Go to ${words}` }, shown);
    button.addEventListener("click", () => acts.go(other));
    return button;
  });
  const pin = act(acts.pinned ? "Unpin" : "Pin", acts.pin);
  const select = act(acts.selected ? "Take out of selection" : "Select", acts.select);
  pin.setAttribute("aria-pressed", String(acts.pinned));
  select.setAttribute("aria-pressed", String(acts.selected));
  return html(
    "article",
    { class: "fvh-item", "data-item": item, "aria-label": id },
    html("div", { class: "fvh-picture" }, thumbnail(items, store, item, 132)),
    html("h3", {}, id),
    stands > 1 ? html("p", { class: "fvh-phrase" }, `Stands for ${stands.toLocaleString("en")} items here: zoom in to see them.`) : null,
    flag === "" ? null : html("p", { class: "fvh-flagged" }, `! ${flag}`),
    html("dl", { class: "fvh-pairs" }, ...told(items, item).flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, value)])),
    html("div", { class: "fvh-acts" }, pin, select),
    near.length === 0 ? null : html("h4", {}, "Nearest in feature space"),
    near.length === 0 ? null : html("div", { class: "fvh-nearest" }, ...jumps),
    ...spread(items, item),
  );
}
