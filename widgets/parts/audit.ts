import { html } from "./dom";
import type { Badge, Check } from "./types";

const SYMBOLS: Record<string, string> = { contradicted: "✕", inconclusive: "?", "not contradicted": "○" };

function symbol(verdict: string): HTMLElement {
  return html("span", { class: "fvh-symbol", "aria-hidden": "true" }, SYMBOLS[verdict] ?? "–");
}

/** What each family of checks says of a picture, small enough to ride on it; null where it was not audited. */
export function drawBadges(badges: Badge[]): HTMLElement | null {
  if (badges.length === 0) return null;
  const items = badges.map(({ claim, verdict }) =>
    html("li", { class: "fvh-badge", "data-verdict": verdict }, symbol(verdict), `${claim}: ${verdict}`),
  );
  return html("ul", { class: "fvh-badges", "aria-label": "Audit" }, ...items);
}

function verdictCell({ verdict, reason }: Check): HTMLElement {
  const words = html("span", { class: "fvh-verdict", "data-verdict": verdict }, symbol(verdict), verdict);
  return html("td", {}, words, reason === "" ? null : html("small", {}, reason));
}

function row(check: Check): HTMLElement {
  const asked = html("th", { scope: "row" }, check.check, html("small", {}, check.family));
  const [numbers, limit] = [check.numbers, check.limit].map((text) => html("td", { class: "fvh-number" }, text));
  return html("tr", {}, asked, numbers ?? null, limit ?? null, verdictCell(check));
}

/** The audit of one unit: each check's value with its interval, its limit, and a verdict in words. */
export function drawAudit(checks: Check[]): HTMLElement {
  const heads = ["Check", "Value [interval]", "Limit", "Verdict"].map((text) => html("th", { scope: "col" }, text));
  const caption = html("caption", { class: "fvh-hidden" }, "Audit of the picture");
  const head = html("thead", {}, html("tr", {}, ...heads));
  const table = html("table", { class: "fvh-table" }, caption, head, html("tbody", {}, ...checks.map(row)));
  return html("div", { class: "fvh-scroll" }, table);
}
