import { html } from "./dom";

/** A labelled slider that says its value; `words` puts it into words. */
export function slider(
  label: string,
  range: { min: number; max: number; step: number; value: number },
  words: (value: number) => string,
  change: (value: number) => void,
): HTMLElement {
  const output = html("output", {}, words(range.value));
  const input = html("input", { type: "range", ...range });
  input.addEventListener("input", () => {
    output.textContent = words(input.valueAsNumber);
    change(input.valueAsNumber);
  });
  return html("label", { class: "fvh-slider" }, html("span", {}, label), input, output);
}

/** A name that holds the words that are seen: who steers by voice says these. */
export function spoken(words: string, label: string): string {
  const seen = words.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "").toLowerCase();
  return label.toLowerCase().includes(seen) ? label : `${words}: ${label}`;
}

/** A small button with words or a sign. */
export function act(words: string, run: () => void, label: string | null = null): HTMLButtonElement {
  const made = html("button", { type: "button", class: "fvh-act", "aria-label": label === null ? null : spoken(words, label), title: label }, words);
  made.addEventListener("click", run);
  return made;
}

/** The places in a list of names that contain some words. */
export function found(names: string[], words: string): number[] {
  const wanted = words.trim().toLowerCase();
  return wanted === "" ? [] : names.flatMap((name, index) => (name.toLowerCase().includes(wanted) ? [index] : []));
}

/** A search box; `search` is told each change, `next` each Enter. */
export function searchBox(label: string, search: (words: string) => string, next: () => void): HTMLElement {
  const said = html("output", {});
  const input = html("input", { type: "search", "aria-label": label, placeholder: label });
  input.addEventListener("input", () => (said.textContent = search(input.value)));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters are a notebook's commands
    if (event.key === "Enter") next();
  });
  return html("label", { class: "fvh-search" }, input, said);
}
