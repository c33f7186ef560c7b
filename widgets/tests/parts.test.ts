import { expect, test } from "vitest";

import { drawBadges } from "../parts/audit";
import { slice } from "../parts/blobs";
import { html } from "../parts/dom";
import { drawHistogram } from "../parts/histogram";
import { nextIndex, roving } from "../parts/roving";
import type { Histogram } from "../parts/types";

test("a slice of a view that starts inside its buffer", () => {
  const packed = new DataView(Uint8Array.from([9, 9, 1, 2, 3, 4]).buffer, 2); // as kernels deliver it
  expect([...slice(packed, [1, 3])]).toEqual([2, 3]);
});

test("strings become text, never markup", () => {
  const made = html("p", { title: '"><b>' }, "<img src=x onerror=alert(1)>");
  expect(made.children.length).toBe(0);
  expect(made.textContent).toBe("<img src=x onerror=alert(1)>");
  expect(made.getAttribute("title")).toBe('"><b>');
});

test.each([
  ["ArrowRight", 2, 0],
  ["ArrowLeft", 0, 2],
  ["ArrowDown", 0, 1],
  ["Home", 2, 0],
  ["End", 0, 2],
  ["Enter", 1, null],
])("%s from %d of 3 leads to %s", (key, from, to) => {
  expect(nextIndex(key, from, 3)).toBe(to);
});

test("a row of buttons is one tab stop", () => {
  const buttons = [html("button"), html("button"), html("button")];
  roving(buttons, "aria-checked", () => undefined)(1);
  expect(buttons.map((button) => button.tabIndex)).toEqual([-1, 0, -1]);
  expect(buttons.map((button) => button.getAttribute("aria-checked"))).toEqual(["false", "true", "false"]);
});

const histogram: Histogram = {
  bars: [[0, 0.5, 1]],
  ticks: [[0, "0"]],
  marks: [0.25, null, 1],
  labels: ["a", "b", "c"],
  summary: "all of it",
};

test("the chosen seed's mark is named and drawn last", () => {
  const drawn = drawHistogram(histogram, 0);
  expect(drawn.querySelectorAll(".fvh-mark").length).toBe(2);
  expect(drawn.querySelector(".fvh-mark-label")?.textContent).toBe("a");
  expect(drawn.lastElementChild?.getAttribute("class")).toBe("fvh-own");
});

test("a seed whose activation is not known has no mark", () => {
  expect(drawHistogram(histogram, 1).querySelector(".fvh-own")).toBeNull();
});

test("a badge says each family's verdict in words", () => {
  const drawn = drawBadges([{ claim: "natural path", verdict: "contradicted" }]);
  expect(drawn?.textContent).toBe("✕natural path: contradicted");
  expect(drawn?.querySelector(".fvh-symbol")?.getAttribute("aria-hidden")).toBe("true");
  expect(drawBadges([])).toBeNull();
});
