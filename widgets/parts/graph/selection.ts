import { html } from "../dom";
import { listCode } from "./code";
import { act } from "../controls";

export interface Chosen {
  set: (units: string[]) => void;
  ablate: (units: string[]) => void;
}

/** The bar of selected units: each can be taken out, all copied as code, and ablated where Python knows how. */
export class Selection {
  readonly element = html("div", { class: "fvh-selection", role: "region", "aria-label": "Selection" });
  private readonly said = html("p", { class: "fvh-phrase", role: "status" });
  private units: string[] = [];

  constructor(private readonly chosen: Chosen) {}

  draw(units: string[], canAblate: boolean): void {
    this.units = units;
    if (units.length === 0) this.said.textContent = "";
    const code = html("input", { type: "text", readonly: true, "aria-label": "The selection as code", value: listCode(units) });
    const chips = units.map((unit) => act(`${unit} ×`, () => this.chosen.set(this.units.filter((one) => one !== unit)), `Take ${unit} out of the selection`));
    const ablate = act("Ablate the selection", () => this.ablate());
    ablate.hidden = !canAblate;
    const empty = html("p", { class: "fvh-phrase" }, "Nothing selected. Shift-click a unit, or press the space bar on it.");
    const acts = html("div", { class: "fvh-acts" }, act("Copy as code", () => void this.copy(code)), ablate, act("Clear", () => this.chosen.set([])));
    this.element.replaceChildren(...(units.length === 0 ? [empty] : [html("div", { class: "fvh-chips" }, ...chips), code, acts]), this.said);
  }

  say(words: string, wrong: boolean): void {
    this.said.textContent = words;
    this.said.classList.toggle("fvh-wrong", wrong);
  }

  private ablate(): void {
    this.say("Python ablates the selection …", false);
    this.chosen.ablate(this.units);
  }

  private async copy(code: HTMLInputElement): Promise<void> {
    code.select(); // where the page may not write to the clipboard, the code is there to be copied by hand
    try {
      await navigator.clipboard.writeText(code.value);
      this.say("Copied.", false);
    } catch {
      this.say("Selected; copy it with the keyboard.", false);
    }
  }
}
