import { html } from "./dom";
import type { Check } from "./types";

const SYMBOLS: Record<string, string> = { contradicted: "✕", inconclusive: "?", "not contradicted": "○" };

function verdictCell(verdict: string): HTMLElement {
  const symbol = html("span", { class: "fvh-symbol", "aria-hidden": "true" }, SYMBOLS[verdict] ?? "–");
  return html("td", {}, html("span", { class: "fvh-verdict", "data-verdict": verdict }, symbol, verdict));
}

function row(check: Check): HTMLElement {
  const numbers = html("td", { class: "fvh-number" }, check.numbers);
  return html("tr", {}, html("th", { scope: "row" }, check.check), html("td", {}, check.family), numbers, verdictCell(check.verdict));
}

/** The audit of one unit: each check's value with its interval, and a verdict in words. */
export function drawAudit(checks: Check[]): HTMLElement {
  const heads = ["Check", "Question", "Value [interval]", "Verdict"].map((text) => html("th", { scope: "col" }, text));
  const caption = html("caption", { class: "fvh-hidden" }, "Audit of the picture");
  const head = html("thead", {}, html("tr", {}, ...heads));
  const table = html("table", { class: "fvh-table" }, caption, head, html("tbody", {}, ...checks.map(row)));
  return html("div", { class: "fvh-scroll" }, table);
}
