import { act, searchBox } from "../controls";
import { html } from "../dom";
import type { AtlasFacts } from "./facts";
import { NAMES } from "./scales";

export interface Tools {
  search: (words: string) => string;
  hit: (step: 1 | -1) => string;
  form: (grid: boolean) => void;
  overlay: (name: string) => void;
  level: (level: number | null) => void;
  edges: (on: boolean) => void;
  sized: (on: boolean) => void;
  lasso: (on: boolean) => void;
  zoom: (factor: number) => void;
  home: () => void;
  link: (() => Promise<string>) | null; // copy a link to what is seen; only on a page of its own
}

export interface Bar {
  element: HTMLElement;
  lasso: (on: boolean) => void;
  form: (grid: boolean) => void; // set what is shown without telling
  overlay: (name: string) => void;
}

function choice(label: string, options: [value: string, words: string][], change: (value: string) => void): [HTMLElement, (value: string) => void] {
  const select = html("select", {}, ...options.map(([value, words]) => html("option", { value }, words)));
  select.addEventListener("change", () => change(select.value));
  select.addEventListener("keydown", (event) => event.stopPropagation());
  return [html("label", { class: "fvh-choice" }, html("span", {}, label), select), (value) => (select.value = value)];
}

/** A button that is on or off; returns what sets it without telling. */
export function toggle(words: string, label: string, on: boolean, change: (on: boolean) => void): [HTMLButtonElement, (on: boolean) => void] {
  let state = on;
  const set = (value: boolean): void => {
    state = value;
    button.setAttribute("aria-pressed", String(value));
  };
  const button = act(words, () => {
    set(!state);
    change(state);
  }, label);
  set(on);
  return [button, set];
}

function levels(facts: AtlasFacts): [string, string][] {
  const side = (level: number): string => `each for ${2 ** level} × ${2 ** level}`;
  return facts.levels.map((_, level) => [String(level), level === 0 ? "Every item" : side(level)]);
}

function linker(link: () => Promise<string>): HTMLElement {
  const said = html("output", { class: "fvh-copied" });
  const copy = act("Copy link", () => void link().then((words) => (said.textContent = words)), "Copy a link to what is seen now, and to what is selected");
  return html("div", { class: "fvh-acts" }, copy, said);
}

/** All controls of a map; what sets the lasso button and the form comes with them. */
export function toolbar(facts: AtlasFacts, tools: Tools): Bar {
  const [lasso, setLasso] = toggle("Lasso", "Select by drawing a line (or drag with Shift held)", false, tools.lasso);
  const [edges] = toggle("Nearest", "Lines to the nearest items in feature space", false, tools.edges);
  const [sized] = toggle("Size by score", "Draw items with higher scores larger", facts.sized, tools.sized);
  const [grid, form] = toggle("Grid", "On the grid; off: where the layout put them", true, tools.form);
  const place = html("output", { class: "fvh-hit" });
  const search = searchBox("Find an id or class", (words) => ((place.textContent = ""), tools.search(words)), () => (place.textContent = tools.hit(1)));
  const hit = (step: 1 | -1) => () => (place.textContent = tools.hit(step));
  const overlays: [string, string][] = ["none", ...facts.overlays].map((name) => [name, NAMES[name] ?? name]);
  const [colour, overlay] = choice("Colour", overlays, tools.overlay);
  const element = html(
    "div",
    { class: "fvh-toolbar", role: "group", "aria-label": "Controls of the map" },
    html("div", { class: "fvh-acts" }, search, act("‹", hit(-1), "Previous hit"), act("›", hit(1), "Next hit"), place),
    colour,
    facts.levels.length > 1 ? choice("Detail", [["auto", "By zoom"], ...levels(facts)], (value) => tools.level(value === "auto" ? null : Number(value)))[0] : null,
    html("div", { class: "fvh-acts" }, grid, facts.near > 0 ? edges : null, facts.overlays.includes("score") || facts.sized ? sized : null, lasso),
    html("div", { class: "fvh-acts" }, act("+", () => tools.zoom(1.4), "Zoom in"), act("−", () => tools.zoom(1 / 1.4), "Zoom out"), act("Home", tools.home, "Show the whole map")),
    tools.link === null ? null : linker(tools.link),
  );
  return { element, lasso: setLasso, form, overlay };
}
