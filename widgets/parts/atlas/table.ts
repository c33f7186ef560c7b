import { act } from "../controls";
import { html } from "../dom";
import type { Items } from "./items";
import { said } from "./scales";

const PAGE = 200; // rows at a time
const HEADS = ["Item", "Class", "Score", "Stratum", "Place"];

function cells(items: Items, item: number): string[] {
  const place = `${(items.row[item] ?? 0) + 1}, ${(items.col[item] ?? 0) + 1}`;
  return [items.labelOf(item) || "–", said(items.score[item] ?? NaN), items.stratumOf(item) || "–", place];
}

/** Items by score, the highest first; those without one last, and equal ones in their order. */
export function byScore(items: Items, chosen: number[] | null = null): number[] {
  const order = chosen?.slice() ?? Array.from({ length: items.count }, (_, item) => item);
  const key = (item: number): number => {
    const score = items.score[item] ?? NaN;
    return Number.isNaN(score) ? -Infinity : score;
  };
  return order.sort((a, b) => (key(a) === key(b) ? a - b : key(b) - key(a)));
}

/** Items as lines of a table, a page at a time. */
export class ItemTable {
  readonly element = html("div", { class: "fvh-lines" });
  private readonly body = html("tbody");
  private readonly more = act("More", () => this.next());
  private order: number[] = [];
  private shown = 0;

  constructor(
    private readonly items: Items,
    caption: string,
    private readonly go: (item: number) => void,
  ) {
    const heads = HEADS.map((words) => html("th", { scope: "col" }, words));
    const named = html("caption", { class: "fvh-hidden" }, caption);
    const table = html("table", { class: "fvh-table" }, named, html("thead", {}, html("tr", {}, ...heads)), this.body);
    this.element.append(html("div", { class: "fvh-scroll fvh-tall" }, table), this.more);
  }

  show(order: number[]): void {
    [this.order, this.shown] = [order, 0];
    this.body.replaceChildren();
    this.next();
  }

  private next(): void {
    for (const item of this.order.slice(this.shown, this.shown + PAGE)) this.body.append(this.line(item));
    this.shown = Math.min(this.order.length, this.shown + PAGE);
    const left = this.order.length - this.shown;
    this.more.hidden = left === 0;
    this.more.textContent = `More: ${left.toLocaleString("en")} items left`;
  }

  private line(item: number): HTMLElement {
    const id = this.items.ids[item] ?? "";
    const button = act(id, () => this.go(item), `Show ${id} on the map`);
    return html("tr", {}, html("th", { scope: "row" }, button), ...cells(this.items, item).map((words) => html("td", {}, words)));
  }
}

function quoted(value: string): string {
  // a spreadsheet would take what begins with these for a formula
  const plain = /^[=+\-@\t\r]/.test(value) && !/^-?[\d.]+(e[-+]?\d+)?$/i.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Items as comma-separated values. */
export function csvOf(items: Items, chosen: number[]): string {
  const lines = chosen.map((item) => {
    const score = items.score[item] ?? NaN;
    const numbers = [Number.isNaN(score) ? "" : String(score), items.stratumOf(item), String(items.row[item]), String(items.col[item])];
    return [items.ids[item] ?? "", items.labelOf(item), ...numbers].map(quoted).join(",");
  });
  return ["id,label,score,stratum,row,col", ...lines].join("\n") + "\n";
}
