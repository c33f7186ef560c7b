import { expect, test } from "vitest";

import { zoomed } from "../parts/camera";
import { listCode } from "../parts/graph/code";
import { Graph, type GraphFacts } from "../parts/graph/data";
import { OPEN, shownOf } from "../parts/graph/filters";
import { nodeAfter } from "../parts/graph/keyboard";
import { nearestEdge, nodeAt } from "../parts/graph/nearest";
import { inSight, inkOf, type Look, paintEdges } from "../parts/graph/painter";
import { arrange, boundsOf, curveOf } from "../parts/graph/rows";
import { opacityOf, sideOf, signed, widthOf } from "../parts/graph/scales";

const SPACING = { across: 20, down: 200 };

/** Two rows: c above a and b; a feeds c by 2, b holds it back by 4. */
function made(side: number[] | null = null): Graph {
  const numbers = new DataView(new ArrayBuffer(40));
  [0, 1].forEach((value, at) => numbers.setInt32(4 * at, value, true));
  [2, 2].forEach((value, at) => numbers.setInt32(8 + 4 * at, value, true));
  [2, -4].forEach((value, at) => numbers.setFloat32(16 + 4 * at, value, true));
  [0.5, NaN].forEach((value, at) => numbers.setFloat32(24 + 4 * at, value, true));
  side?.forEach((value, at) => numbers.setInt32(32 + 4 * at, value, true));
  const none = [null, null, null];
  const nodes = { unit: ["x:0", "x:1", "y:2"], channel: [0, 1, 2], row: [1, 1, 0], rank: [1, 0, 0], score: [0.5, 0, 1] };
  const facts: GraphFacts = {
    title: "",
    facts: [],
    notes: [],
    layers: ["y", "x"],
    sides: null,
    nodes: { ...nodes, share: none, classes: none, side: none, verdict: ["", "", ""], thumb: [-1, -1, -1] },
    edges: { source: [0, 8], target: [8, 16], weight: [16, 24], stability: [24, 32], side: side === null ? null : [32, 40] },
    atlas: null,
  };
  return new Graph(facts, numbers);
}

const all = Uint8Array.from([1, 1, 1]);

test("scales are linear", () => {
  expect([0, 0.5, 1].map((score) => sideOf(score, 1))).toEqual([33, 66.5, 100]);
  expect([0, -1, 2].map((weight) => widthOf(weight, 2))).toEqual([0, 3, 6]);
  expect([opacityOf(0), opacityOf(NaN)]).toEqual([0.2, 0.7]);
  expect(opacityOf(1)).toBeCloseTo(0.9);
  expect([signed(-0.12345), signed(2)]).toEqual(["−0.123", "+2"]);
});

test("rows are centred, in their order, also where some are hidden", () => {
  const places = arrange(made(), all, SPACING);
  expect([...places.y]).toEqual([200, 200, 0]);
  expect([...places.x]).toEqual([26.5, -43.25, 0]); // sides 66.5 and 33, 20 between them
  const fewer = arrange(made(), Uint8Array.from([1, 0, 1]), SPACING);
  expect([fewer.x[0], Number.isNaN(fewer.x[1])]).toEqual([0, true]);
  expect(boundsOf(arrange(made(), new Uint8Array(3), SPACING)).left).toBe(-1);
});

test("a curve goes from the top of the lower unit to the bottom of the upper one", () => {
  const curve = curveOf(arrange(made(), all, SPACING), 0, 2, 200);
  expect([curve[1], curve[7]]).toEqual([200 - 33.25, 50]);
});

test.each([
  [{}, [1, 1, 1], [0, 1]],
  [{ score: 0 }, [1, 0, 1], [0]],
  [{ score: 0.5 }, [0, 0, 1], []],
  [{ weight: 0.6 }, [1, 1, 1], [1]],
  [{ stability: 0.5 }, [1, 1, 1], [0]],
])("%o shows these nodes and edges", (limits, nodes, edges) => {
  const shown = shownOf(made(), { ...OPEN, ...limits });
  expect([[...shown.nodes], shown.edges]).toEqual([nodes, edges]);
});

test("keys lead along rows, and up and down along the strongest edge", () => {
  const [graph, edges] = [made(), new Set([0, 1])];
  const places = arrange(graph, all, SPACING);
  const after = (key: string, node: number): number | null => nodeAfter(key, graph, places, edges, node);
  expect(["ArrowDown", "ArrowUp", "Enter"].map((key) => after(key, 2))).toEqual([1, null, null]);
  expect(["ArrowRight", "ArrowLeft", "ArrowUp", "Home", "End"].map((key) => after(key, 0))).toEqual([1, 1, 2, 1, 0]);
  expect(nodeAfter("ArrowDown", graph, places, new Set(), 2)).toBe(0); // no edge: the nearest below
});

test("the pointer finds units, and edges near it", () => {
  const graph = made();
  const places = arrange(graph, all, SPACING);
  expect([nodeAt(places, all, 0, 10), nodeAt(places, all, 0, 100)]).toEqual([2, null]);
  const curves = new Map([0, 1].map((edge) => [edge, curveOf(places, graph.source[edge] ?? 0, graph.target[edge] ?? 0, 200)]));
  expect(nearestEdge([0, 1], curves, -40, 175, 12)).toBe(1);
  expect(nearestEdge([0, 1], curves, 300, 100, 5)).toBeNull();
});

test("zooming keeps the point under the pointer and the range", () => {
  const view = zoomed({ x: 10, y: 20, k: 1 }, 2, 110, 120, { least: 0.1, most: 3.5 });
  expect([(110 - view.x) / view.k, (120 - view.y) / view.k, view.k]).toEqual([100, 100, 2]);
  expect(zoomed(view, 100, 0, 0, { least: 0.1, most: 3.5 }).k).toBe(3.5);
});

test("edges are painted with width, sign and opacity, and only those in sight", () => {
  const strokes: unknown[] = [];
  const pen = {
    strokeStyle: "", lineWidth: 0, globalAlpha: 1, dash: [] as number[],
    setLineDash(dash: number[]) { this.dash = dash; },
    beginPath: () => undefined, moveTo: () => undefined, bezierCurveTo: () => undefined,
    stroke() { strokes.push([this.strokeStyle, this.lineWidth, this.globalAlpha, this.dash.length]); },
  }; // prettier-ignore
  const look = { "fvh-positive": "blue", "fvh-negative": "orange" } as unknown as Look;
  const [graph, places] = [made(), arrange(made(), all, SPACING)];
  const paint = (sight: (box: number[]) => boolean): number => paintEdges(pen as unknown as CanvasRenderingContext2D, graph, places, [0, 1], look, 200, sight);
  expect(paint(inSight({ x: 500, y: 100, k: 1 }, 1000, 800))).toBe(2);
  expect(strokes).toEqual([["blue", 3, 0.55, 0], ["orange", 6, 0.7, 2]]);
  expect(paint(inSight({ x: -5000, y: 0, k: 1 }, 1000, 800))).toBe(0);
});

test("in a difference the class colours an edge, not its sign", () => {
  expect([0, 1].map((edge) => inkOf(made([-1, 1]), edge))).toEqual(["fvh-first", "fvh-second"]);
});

test("units are copied as Python", () => {
  const code = '[fv.Unit("a.b", 3), fv.Unit("a", 1, position=(2, 4)), fv.Unit.logit(7)]';
  expect(listCode(["a.b:3", "a:1@2,4", "logits:7"])).toBe(code);
  expect(listCode(['x"y:0'])).toBe('[fv.Unit("x\\"y", 0)]');
});
