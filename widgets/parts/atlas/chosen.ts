import { act } from "../controls";
import { html } from "../dom";
import type { Items } from "./items";
import { ItemTable, byScore, csvOf } from "./table";

/** The selected items: how many, as a table, as a file, and as ids to copy. */
export class Chosen {
  readonly element = html("div", { class: "fvh-selection", role: "region", "aria-label": "Selection" });
  private readonly said = html("p", { class: "fvh-phrase", role: "status" });
  private readonly acts: HTMLElement;
  private readonly rows: HTMLDetailsElement;
  private readonly table: ItemTable;
  private chosen: number[] = [];

  constructor(
    private readonly items: Items,
    clear: () => void,
    go: (item: number) => void,
  ) {
    this.table = new ItemTable(items, "Selected items", go);
    this.rows = html("details", { class: "fvh-twin" }, html("summary", {}, "Table of the selection"), this.table.element);
    this.rows.addEventListener("toggle", () => this.fill());
    this.acts = html("div", { class: "fvh-acts" }, act("Copy ids", () => void this.copy()), act("Download CSV", () => this.download()), act("Clear selection", clear));
    this.element.append(this.said, this.acts, this.rows);
    this.show([]);
  }

  show(chosen: number[]): void {
    this.chosen = byScore(this.items, chosen);
    const none = "Nothing selected. Drag a line around items with Shift held, or press S on one.";
    this.said.textContent = chosen.length === 0 ? none : `${chosen.length.toLocaleString("en")} selected`;
    this.acts.hidden = this.rows.hidden = chosen.length === 0;
    this.fill();
  }

  private fill(): void {
    if (this.rows.open) this.table.show(this.chosen);
  }

  private async copy(): Promise<void> {
    const text = `[${this.chosen.map((item) => JSON.stringify(this.items.ids[item])).join(", ")}]`;
    try {
      await navigator.clipboard.writeText(text);
      this.said.textContent = `${this.chosen.length.toLocaleString("en")} ids copied.`;
    } catch {
      const code = html("input", { type: "text", readonly: true, "aria-label": "The selection as code", value: text });
      this.acts.before(code); // a page without the right to write to the clipboard
      code.select();
      this.said.textContent = "Selected below; copy it with the keyboard.";
    }
  }

  private download(): void {
    const url = URL.createObjectURL(new Blob([csvOf(this.items, this.chosen)], { type: "text/csv" }));
    html("a", { href: url, download: "selection.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }
}
